"""Spoken digits from a folder of files to files that can be played, by the commands."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import clarion
from clarion.base.sound import LogMel
from clarion.cli.main import main
from clarion.domains.audio.sound_file import read_sound
from clarion.run.files import read_tensors

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

SMALL = [
    *("--network.base-channels", "8", "--network.head-width", "8"),
    *("--batch-size", "4", "--num-steps", "2", "--validate-every", "2"),
    *("--validation-examples", "4", "--data.num-bands", "16"),
    *("--data.rows", "index!=0-1", "--validation.rows", "index=0-1"),
]


@pytest.fixture
def run(spoken: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    assert main(["train", "digits", "--data", str(spoken), "--out", str(folder), *SMALL]) == 0
    return folder


def test_a_run_knows_its_sounds(run: Path, spoken: Path, capsys):
    model = clarion.load(run)
    assert isinstance(model.codec, LogMel)
    assert model.config.shape == (1, 16, 64)
    assert list(model.config.condition) == ["digit", "speaker"]
    samples = model.sample(n=2, condition={"digit": "1", "speaker": "bob"}, num_steps=2)
    assert samples.shape == (2, 8064)
    assert samples.isfinite().all()
    capsys.readouterr()
    assert main(["inspect", str(run), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["log_mel"]["sample_rate_hz"] == 8000
    assert main(["inspect", str(spoken)]) == 0
    assert "sounds" in capsys.readouterr().out


def test_samples_are_files_that_can_be_played(run: Path, tmp_path: Path):
    asked = ["--condition", "digit=1", "speaker=bob", "--num-steps", "2", "--n", "2"]
    out = tmp_path / "one.wav"
    assert main(["sample", str(run), *asked, "--out", str(out)]) == 0
    assert read_sound(out).duration_s == pytest.approx(2 * 1.008 + 0.2)
    assert (tmp_path / "one.png").is_file()
    assert main(["sample", str(run), *asked, "--out", str(tmp_path / "many")]) == 0
    assert (tmp_path / "many" / "000001.wav").is_file()


def test_a_resumed_training_is_the_same(run: Path, spoken: Path, tmp_path: Path):
    again = tmp_path / "again"
    words = ["train", "digits", "--data", str(spoken), "--out", str(again), *SMALL]
    assert main([*words, "--stop-after", "1"]) == 0
    assert main(["train", "--resume", str(again)]) == 0
    one, other = (read_tensors(folder / "model.safetensors") for folder in (run, again))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_what_sounds_do_not_take_is_refused(run: Path, capsys):
    assert main(["sample", str(run), "--out", "x.mp3"]) != 0
    assert "out must be a folder" in capsys.readouterr().err
    assert main(["sample", str(run), "--inpaint", "a", "b"]) != 0
    assert "--inpaint is for pictures and sequences" in capsys.readouterr().err
    assert main(["sample", str(run), "--condition", "digit=9"]) != 0
    assert "digit" in capsys.readouterr().err
