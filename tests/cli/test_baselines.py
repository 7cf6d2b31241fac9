"""GAN and VAE by the commands of models: train, go on, sample, inspect."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

import clarion
from clarion.base.errors import CheckpointError
from clarion.baselines import BaselineModel
from clarion.cli.main import main

TINY = shlex.split(
    "--baseline.network.base-channels 8 --baseline.network.channel-multipliers 1 2 "
    "--baseline.network.blocks-per-level 1 --baseline.latent-size 3 --batch-size 4 --num-steps 6 "
    "--report-every 2 --validate-every 3 --checkpoint-every 3 --precision float32 --device cpu "
    "--json"
)


@pytest.fixture(scope="module", params=["gan", "vae"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that was stopped and resumed, and beside it, as `whole`, one that was not."""
    from PIL import Image

    place, rng = tmp_path_factory.mktemp(request.param), np.random.default_rng(0)
    for name in ("left", "right"):
        (place / "pictures" / name).mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 255, (8, 8), dtype=np.uint8)
            Image.fromarray(pixels).save(place / "pictures" / name / f"{number}.png")
    words = ["train", request.param, "--data", str(place / "pictures"), *TINY]
    assert main([*words, "--out", str(place / "whole")]) == 0
    assert main([*words, "--out", str(place / "run"), "--stop-after", "3"]) == 0
    assert main(["train", "--resume", str(place / "run"), "--json"]) == 0
    return place / "run"


def test_a_resumed_training_ends_in_the_same_weights(run: Path) -> None:
    weights = [(run.parent / name / "model.safetensors").read_bytes() for name in ("run", "whole")]
    assert weights[0] == weights[1]
    reports = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in reports if "validation" in r] == [3, 6]
    assert "`label`: class of 2: left, right" in (run / "README.md").read_text()


def test_samples_are_numbered_and_told_apart_by_class(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "samples.npz"
    words = f"sample {run} --n 3 --first 2 --condition label=left,right,0 --seed 5 --json"
    assert main([*words.split(), "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["samples"], summary["evaluations_per_sample"]) == (3, 1)
    model = BaselineModel.load(run)
    every = model.sample(n=5, condition={"label": [1, 1, 0, 1, 0]}, seed=5, batch_size=2)
    with np.load(out) as content:
        torch.testing.assert_close(torch.from_numpy(content["samples"]), every[2:])
        assert content["condition_label"].tolist() == [0, 1, 0]
        assert content["seed"] == 5
    other = model.sample(indices=[2], condition={"label": 1}, seed=5)
    assert not torch.equal(other[0], every[2])
    assert not torch.equal(model.sample(indices=[2], seed=6)[0], model.sample(indices=[2])[0])


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("--sampler heun", "--sampler is for diffusion models, and "),
        ("--guidance cfg:3", "--guidance is for diffusion models"),
        ("--num-steps 5", "--num-steps is for diffusion models"),
        ("--grid karras", "--grid is for diffusion models"),
        ("--negative label=left", "--negative is for diffusion models"),
        ("--condition label=left*0.5+label=right*0.5", "Conditions are mixed by diffusion models"),
        ("--condition label=up", "up"),
        ("--condition lable=left", "Did you mean 'label'?"),
        ("--n 0", "n must be at least 1"),
    ],
)
def test_what_makes_no_sense_of_one_pass_is_refused(
    run: Path, words: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [word.replace("+", " ") for word in words.split()]
    assert main(["sample", str(run), *arguments]) == 1
    assert hint in capsys.readouterr().err


def test_it_is_inspected(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(run), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["baseline"]["baseline"]["kind"] == run.parent.name[:3]
    assert content["weights"].endswith("whole and finite")
    assert content["checkpoints"] == "3, 6"


def test_it_is_no_diffusion_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(CheckpointError, match=r"holds a baseline, which is sampled \(clarion samp"):
        clarion.load(run)
    assert main(["train", "fashion", "--resume", str(run)]) == 1
    assert "holds a baseline" in capsys.readouterr().err
    assert main(["train", "gan", "--process", "ve"]) == 1
    assert "leave --process out" in capsys.readouterr().err


def test_a_diffusion_model_is_no_baseline(saved_model: Path) -> None:
    with pytest.raises(CheckpointError, match=r"holds a diffusion model, .* a baseline is wanted"):
        BaselineModel.load(saved_model)
