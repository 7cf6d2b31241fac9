"""Loudness of sines, of which it is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound
from clarion.listen.loudness import at_loudness, loudness_lufs, peak_dbfs

pytest.importorskip("pyloudnorm")
pytest.importorskip("soxr")


def sine(frequency_hz: float, rate_hz: int, phase: float = 0.0) -> Sound:
    t = np.arange(2 * rate_hz) / rate_hz
    return Sound(np.sin(2 * np.pi * frequency_hz * t + phase), rate_hz)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_a_sine_of_997_hz_is_as_loud_as_its_power(rate_hz):
    # BS.1770: at full scale -3.01 LUFS, for the weighting at 997 Hz makes up for its constant.
    # 0.1 dB for the filters, which the standard gives at 48 kHz only.
    assert loudness_lufs(sine(997, rate_hz)) == pytest.approx(-3.01, abs=0.1)


def test_clips_are_brought_to_a_loudness():
    levelled = at_loudness(sine(997, 48_000), -23.0)
    assert loudness_lufs(levelled) == pytest.approx(-23.0, abs=1e-9)
    assert 10 * math.log10(np.mean(levelled.samples**2)) == pytest.approx(-23.0, abs=0.1)


def test_peaks_between_samples_are_found():
    # At a quarter of the rate, 45 degrees off, samples reach 1 / sqrt(2) and the sine reaches 1.
    sound = sine(4_000, 16_000, math.pi / 4)
    assert 20 * math.log10(np.abs(sound.samples).max()) == pytest.approx(-3.01, abs=0.01)
    assert peak_dbfs(sound) == pytest.approx(0.0, abs=0.3)  # its abrupt ends ring


def test_what_has_no_such_loudness_is_refused():
    with pytest.raises(DataError, match="silent"):
        at_loudness(Sound(np.zeros(16_000), 16_000), -23)
    with pytest.raises(DataError, match=r"at least 0\.4 s, and this lasts 0\.100 s"):
        at_loudness(Sound(np.ones(1_600), 16_000), -23)
    clicks = np.zeros(32_000)
    clicks[::8_000] = 1
    with pytest.raises(DataError, match=r"peaks reach .* Set loudness_lufs to -\d+ or lower"):
        at_loudness(Sound(clicks, 16_000), -23)


def test_the_advice_on_loudness_is_enough():
    clicks = np.zeros(32_000)
    clicks[::8_000] = 1
    with pytest.raises(DataError) as refused:
        at_loudness(Sound(clicks, 16_000), -23)
    advised = float(str(refused.value).split("loudness_lufs to ")[1].split()[0])
    at_loudness(Sound(clicks, 16_000), advised)
