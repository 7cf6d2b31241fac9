"""One channel of finite numbers comes out of a file, or a message why not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound, read_sound, resample

soundfile = pytest.importorskip("soundfile")

RATE_HZ = 16_000


def sine(frequency_hz: float, rate_hz: int, duration_s: float = 0.5) -> np.ndarray:
    return np.sin(2 * np.pi * frequency_hz * np.arange(round(rate_hz * duration_s)) / rate_hz)


@pytest.mark.parametrize(
    ("suffix", "subtype", "tolerance"),
    # A step of the numbers, for some are cut and not rounded; Vorbis loses more.
    [
        ("wav", "PCM_16", 1 / 2**15),
        ("flac", "PCM_24", 1 / 2**23),
        ("wav", "PCM_U8", 1 / 2**7),
        ("ogg", "VORBIS", 0.05),
    ],
)
def test_what_was_written_is_read(tmp_path: Path, suffix, subtype, tolerance):
    path = tmp_path / f"x.{suffix}"
    samples = 0.5 * sine(440, RATE_HZ)
    soundfile.write(path, samples, RATE_HZ, subtype)
    sound = read_sound(path)
    assert sound.sample_rate_hz == RATE_HZ
    assert sound.duration_s == 0.5
    np.testing.assert_allclose(sound.samples, samples, rtol=0, atol=tolerance * 1.001)


def test_two_equal_channels_are_one(tmp_path: Path):
    samples = sine(440, RATE_HZ)
    soundfile.write(tmp_path / "x.wav", np.stack([samples, samples], 1), RATE_HZ, "FLOAT")
    assert read_sound(tmp_path / "x.wav").samples.shape == samples.shape


def test_what_cannot_be_read_is_said(tmp_path: Path):
    samples = sine(440, RATE_HZ)
    broken = {
        "stereo": (np.stack([samples, -samples], 1), "2 channels that differ"),
        "nan": (np.where(np.arange(len(samples)) == 1600, np.nan, samples), r"NaN .* at 0\.100 s"),
        "empty": (samples[:0], "no samples"),
    }
    for name, (content, message) in broken.items():
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, content, RATE_HZ, "FLOAT")
        with pytest.raises(DataError, match=message):
            read_sound(path)
    (tmp_path / "text.wav").write_text("no sound at all")
    with pytest.raises(DataError, match=r"text\.wav cannot be read as sound"):
        read_sound(tmp_path / "text.wav")
    with pytest.raises(DataError, match="There is no file"):
        read_sound(tmp_path / "none.wav")


def test_flat_peaks_are_found():
    samples = sine(440, RATE_HZ)
    assert not Sound(samples, RATE_HZ).is_clipped
    assert Sound(np.clip(2 * samples, -1, 1), RATE_HZ).is_clipped
    assert not Sound(np.clip(2 * samples, -1, 1) / 2, RATE_HZ).is_clipped  # loud sounds only
    assert not Sound(np.zeros(RATE_HZ), RATE_HZ).is_clipped
    assert not Sound(np.ones(1), RATE_HZ).is_clipped  # too short to be flat
    assert Sound(np.ones(4), RATE_HZ).is_clipped


@pytest.mark.parametrize("rate_hz", [8_000, 44_100, 48_000])
def test_a_resampled_sine_is_the_sine_at_that_rate(rate_hz):
    pytest.importorskip("soxr")
    sound = resample(Sound(sine(1000, RATE_HZ), RATE_HZ), rate_hz)
    expected = sine(1000, rate_hz)
    assert sound.samples.shape == expected.shape
    inner = slice(rate_hz // 10, -rate_hz // 10)  # the sine begins and ends abruptly
    np.testing.assert_allclose(sound.samples[inner], expected[inner], rtol=0, atol=1e-4)
