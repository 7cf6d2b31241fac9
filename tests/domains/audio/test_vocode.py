"""Sound of spectrograms: as long as asked, of chunks that meet, and refused by name."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from clarion.base.condition import FieldEntry
from clarion.base.errors import ClarionError
from clarion.base.sound import ComplexSpectrogram, LogMel
from clarion.cli.main import main
from clarion.domains.audio.vocode import Vocoder, _joined, at_length, log_mel_of
from clarion.nets import ConvNeXtConfig, UNetConfig
from clarion.process.gaussian import Flow
from clarion.run.config import ModelConfig
from clarion.run.model import Model

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

RATE_HZ, SIZE, HOP, BANDS = 8000, 2048, 64, 8
LEVEL = 10 ** (-25 / 20)
CODEC = ComplexSpectrogram(RATE_HZ, SIZE, 128, HOP, 0.5, 0.2, bins_are="channels")
TOLD = LogMel(
    RATE_HZ, SIZE, 128, HOP, BANDS, -70.0, (-40.0,) * BANDS, (10.0,) * BANDS, bins_are="channels"
)


def vocoder(told: str = "log_mel", network=None) -> Model:
    """A model that has learnt nothing, but whose answer depends on all that it is asked."""
    torch.manual_seed(0)
    config = ModelConfig(
        CODEC.model_shape((SIZE,)),
        {told: FieldEntry.of_sound(TOLD)},
        network or ConvNeXtConfig(8, 1, 3, 2),
        Flow(),
        domain="audio",
    )
    denoiser = config.build()
    for p in denoiser.parameters():
        nn.init.normal_(p, std=0.1)
    return Model(config, denoiser, CODEC)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "run"
    vocoder().save(folder)
    return folder


def noise(num_samples: int) -> np.ndarray:
    wave = np.random.default_rng(0).standard_normal(num_samples)
    return wave * LEVEL / np.sqrt(np.mean(wave**2))


def test_another_length_is_another_view_of_the_same_weights():
    model = vocoder()
    longer = at_length(model, 3 * SIZE)
    assert longer.denoiser is model.denoiser
    assert longer.config.shape == (2 * 65, 3 * SIZE // HOP + 1)
    assert longer.sample(1, condition={"log_mel": torch.zeros(3 * SIZE)}, num_steps=1).shape == (
        1,
        3 * SIZE,
    )
    assert at_length(model, SIZE) is model
    fixed = vocoder(network=UNetConfig(8, (1,), 1, ()))
    assert at_length(fixed, 3 * SIZE) is fixed


def test_levels_and_the_sound_they_are_of_are_the_same():
    model, wave = vocoder(), noise(20 * HOP)
    levels = TOLD.levels_db(torch.from_numpy(wave).float()[None])[0]
    made = Vocoder(model, num_steps=2)
    np.testing.assert_allclose(made.of_levels(levels), made.of_sound(wave), atol=2e-5)


def test_chunks_of_a_sine_are_joined_without_a_seam():
    sine = np.sin(0.1 * np.arange(1000))
    chunks = np.stack([sine[i : i + 400] for i in (0, 300, 600)])
    np.testing.assert_allclose(_joined(chunks, 300), sine, atol=1e-12)


@pytest.mark.parametrize("network", [None, UNetConfig(8, (1,), 1, ())])
@pytest.mark.parametrize("num_frames", [2, 33, 34, 70, 200])
def test_levels_of_any_length(num_frames: int, network):
    made = Vocoder(vocoder(network=network), num_steps=1, chunk_s=0.3)
    levels = torch.full((BANDS, num_frames), -50.0)
    samples = made.of_levels(levels)
    assert samples.shape == ((num_frames - 1) * HOP,)
    assert np.isfinite(samples).all()
    assert np.sqrt(np.mean(samples[-HOP:] ** 2)) > 0


def test_a_sound_keeps_its_length_rate_and_channels(run: Path, tmp_path: Path, capsys):
    stereo = 0.1 * np.random.default_rng(0).standard_normal((15_001, 2))
    soundfile.write(tmp_path / "in.wav", stereo, 11_025)
    out = tmp_path / "out.wav"
    words = ["vocode", str(tmp_path / "in.wav"), str(out), "--model", str(run)]
    assert main([*words, "--num-steps", "2", "--json"]) == 0
    made, rate_hz = soundfile.read(out)
    assert (made.shape, rate_hz) == (stereo.shape, 11_025)
    assert (tmp_path / "out.png").is_file()
    summary = json.loads(capsys.readouterr().out)
    assert summary["duration_s"] == pytest.approx(15_001 / 11_025)
    betas = ["--sampler", "ddpm", "--betas", "0.01", "0.2", "0.5"]
    assert main([*words, *betas]) == 0
    assert not np.array_equal(soundfile.read(out)[0], made)


def test_a_folder_of_sounds_and_of_numbers(run: Path, tmp_path: Path, capsys):
    place = tmp_path / "mels"
    (place / "deep").mkdir(parents=True)
    soundfile.write(place / "a.wav", noise(3000), RATE_HZ)
    np.save(place / "b.npy", np.full((BANDS, 20), -40.0))
    np.savez(place / "deep" / "c.npz", levels=np.full((BANDS, 30), -40.0, np.float32))
    words = ["vocode", str(place), str(tmp_path / "out"), "--model", str(run), "--num-steps", "1"]
    assert main(words) == 0
    lengths = {"a.wav": 3000, "b.wav": 19 * HOP, "deep/c.wav": 29 * HOP}
    for name, length in lengths.items():
        samples, rate_hz = soundfile.read(tmp_path / "out" / name)
        assert (len(samples), rate_hz) == (length, RATE_HZ)
    assert "3 files" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("levels", "message"),
    [
        (np.zeros((BANDS + 1, 20)), "must hold levels in dB of 8 mel bands.* got shape"),
        (np.zeros((BANDS, 1)), "of 2 frames or more"),
        (np.full((BANDS, 9), np.nan), "all finite"),
        (np.full((BANDS, 9), "a"), "all finite"),
        (np.array([{}]), "cannot be read as an array"),
        (b"text", "cannot be read as an array"),
        (b"PK\x03\x04 an archive that was cut off", "cannot be read as an array"),
        ({"a": np.zeros(3), "b": np.zeros(3)}, "must hold one array, got a, b"),
    ],
)
def test_bad_numbers_are_refused_by_name(levels, message, run: Path, tmp_path: Path, capsys):
    file = tmp_path / ("bad.npz" if isinstance(levels, dict) else "bad.npy")
    if isinstance(levels, bytes):
        file.write_bytes(levels)
    elif isinstance(levels, dict):
        np.savez(file, **levels)
    else:
        np.save(file, levels)
    out = tmp_path / "out.wav"
    assert main(["vocode", str(file), str(out), "--model", str(run)]) == 1
    error = capsys.readouterr().err
    assert str(file) in error
    assert re.search(message, error)
    assert not out.exists()


def test_silence_and_one_sample(tmp_path: Path):
    """Silence stays silence; what is shorter than a sample at the model's rate stays as it is."""
    made = Vocoder(vocoder(), num_steps=1)
    waves = {"silence": np.zeros(3000), "one": np.array([0.5])}
    for name, wave in waves.items():
        for rate_hz in (RATE_HZ, 44_100):
            source, out = tmp_path / f"{name}.wav", tmp_path / f"{name}_{rate_hz}.wav"
            soundfile.write(source, wave, rate_hz)
            made.file(source, out)
            now, now_hz = soundfile.read(out)
            assert (now.shape, now_hz) == (wave.shape, rate_hz)
            assert np.isfinite(now).all()
            if name == "silence" or rate_hz != RATE_HZ:
                assert np.array_equal(now, wave)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.array([0.1, np.nan]), "holds NaN or infinite samples, the first at 0.000 s"),
        (np.array([0.1, 1e200]), "holds NaN or infinite samples, the first at 0.000 s"),
        ("no sound", "cannot be read as sound"),
    ],
)
def test_bad_sounds_are_refused_by_name(content, message, run: Path, tmp_path: Path, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    soundfile.write(folder / "good.wav", noise(3000), RATE_HZ)
    if isinstance(content, str):
        (folder / "bad.wav").write_text(content)
    else:
        soundfile.write(folder / "bad.wav", content, RATE_HZ, "DOUBLE")
    assert main(["vocode", str(folder), str(out), "--model", str(run), "--num-steps", "1"]) == 1
    error = " ".join(capsys.readouterr().err.split())
    assert "1 of 2 files were left out" in error
    assert f"bad.wav {message}" in error
    assert [file.name for file in sorted(out.iterdir())] == ["good.png", "good.wav"]


@pytest.mark.parametrize("other", ["b.npy", "b.flac", "b.npz"])
def test_results_of_one_name_are_refused(other: str, run: Path, tmp_path: Path, capsys):
    for name in ("b.wav", other):
        (tmp_path / name).write_bytes(b"")
    out = tmp_path / "out"
    assert main(["vocode", str(tmp_path), str(out), "--model", str(run)]) == 1
    error = "".join(capsys.readouterr().err.split())
    assert all(str(tmp_path / name) in error for name in ("b.wav", other))
    assert "wouldbothbemade" in error
    assert not out.exists()


def test_other_models_and_settings_are_refused():
    with pytest.raises(ClarionError, match="is no vocoder: it has no condition 'log_mel'"):
        log_mel_of(vocoder("noisy"))
    with pytest.raises(ClarionError, match="chunk_s must be"):
        Vocoder(vocoder(), chunk_s=0.0)
