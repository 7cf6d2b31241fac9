"""Clear speech out of noisy speech, by the commands: trained, resumed, used."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import clarion
from clarion.base.sound import ComplexSpectrogram
from clarion.cli.main import main
from clarion.run.files import read_tensors

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

SMALL = [
    *("--network.base-channels", "8", "--batch-size", "2", "--num-steps", "2"),
    *("--validate-every", "2", "--validation-examples", "1", "--precision", "float32"),
    *("--data.noise.snr-db", "0", "10", "--data.noise.kinds", "white", "babble"),
]


@pytest.fixture
def speech(tmp_path: Path) -> Path:
    """LibriSpeech's layout; speaker 1 has a long recording."""
    rng = np.random.default_rng(0)
    for speaker, durations_s in {1: (4.5, 1.0), 2: (2.5,), 3: (2.5, 2.5)}.items():
        folder = tmp_path / "speech" / str(speaker) / "7"
        folder.mkdir(parents=True)
        names = [f"{speaker}-7-{number:04d}" for number in range(len(durations_s))]
        for name, duration_s in zip(names, durations_s, strict=True):
            wave = 0.1 * rng.standard_normal(round(16_000 * duration_s))
            soundfile.write(folder / f"{name}.flac", wave, 16_000)
        text = "".join(f"{name} WORDS\n" for name in names)
        (folder / f"{speaker}-7.trans.txt").write_text(text)
    return tmp_path / "speech"


def train(speech: Path, out: Path, *more: str) -> int:
    return main(["train", "enhancement", "--data", str(speech), "--out", str(out), *SMALL, *more])


def test_it_learns_resumes_bit_for_bit_and_enhances(speech: Path, tmp_path: Path, capsys):
    run, again = tmp_path / "run", tmp_path / "again"
    assert train(speech, run) == 0
    model = clarion.load(run)
    assert isinstance(model.codec, ComplexSpectrogram)
    assert model.config.shape == (2, 256, 128)
    assert list(model.config.condition) == ["noisy"]
    assert model.config.condition["noisy"].dropout == 0
    assert train(speech, again, "--stop-after", "1") == 0
    assert main(["train", "--resume", str(again)]) == 0
    one, other = (read_tensors(folder / "model.safetensors") for folder in (run, again))
    assert all(torch.equal(one[name], other[name]) for name in one)
    source = next(speech.rglob("1-7-0000.flac"))
    capsys.readouterr()
    words = ["enhance", str(source), str(tmp_path / "out.wav"), "--model", str(run)]
    assert main([*words, "--precision", "bfloat16"]) == 0
    assert "4.5 s, real-time factor" in capsys.readouterr().out
    assert soundfile.info(tmp_path / "out.wav").frames == 72_000


def test_speech_of_one_speaker_has_no_babble(speech: Path, tmp_path: Path, capsys):
    for other in ("2", "3"):
        for file in (speech / other / "7").iterdir():
            file.unlink()
    assert train(speech, tmp_path / "run") == 1
    assert "Leave babble out" in capsys.readouterr().err
