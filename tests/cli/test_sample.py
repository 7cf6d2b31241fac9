"""`clarion sample`."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import clarion
from clarion.base.condition import ClassEntry
from clarion.base.normalizer import Normalizer
from clarion.cli.main import main
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import EDM
from clarion.process.grids import LogSNRUniform
from clarion.run.config import ModelConfig
from clarion.run.model import Model
from clarion.sample import ParticleSampler
from clarion.sample.ancestral import EulerAncestralSampler


def test_numbers_are_those_of_the_library(
    saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "samples.npz"
    words = f"sample {saved_model} --n 3 --first 2 --condition label=left,right,0 --seed 5 --json"
    guided = "--guidance cfg:2 --sampler heun --num-steps 3 --grid log_snr_uniform:sigma_min=0.04"
    assert main([*words.split(), *guided.split(), "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out)
    expected = clarion.load(saved_model).sample(
        indices=[2, 3, 4],
        condition={"label": [0, 1, 0]},
        guidance=clarion.guide.CFG(2.0),
        sampler="heun",
        num_steps=3,
        grid=LogSNRUniform(sigma_min=0.04),
        seed=5,
    )
    with np.load(out) as content:
        assert torch.equal(torch.from_numpy(content["samples"]), expected)
        assert content["indices"].tolist() == [2, 3, 4]
        assert content["condition_label"].tolist() == [0, 1, 0]
        assert content["seed"] == 5
    assert summary["samples"] == 3
    # Heun asks twice a step but for the last one, and guidance doubles each: 2 (2 * 3 - 1).
    assert summary["evaluations_per_sample"] == 10


def test_single_pictures_are_named_by_their_number(saved_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "singles"
    arguments = ["--n", "2", "--first", "7", "--num-steps", "1", "--out", str(out)]
    assert main(["sample", str(saved_model), *arguments]) == 0
    assert sorted(p.name for p in out.iterdir()) == ["000007.png", "000008.png"]
    with Image.open(out / "000007.png") as picture:
        assert (picture.size, picture.mode) == ((8, 8), "L")


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_a_grid_is_one_picture(saved_model: Path, tmp_path: Path, ending: str) -> None:
    out = tmp_path / "deeper" / f"grid.{ending}"
    assert (
        main(["sample", str(saved_model), "--n", "4", "--num-steps", "1", "--out", str(out)]) == 0
    )
    with Image.open(out) as picture:
        assert picture.width == picture.height > 16


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["--n", "0"], "n must be at least 1"),
        (["--num-steps", "0"], "num_steps must be a whole number, at least 1, got 0"),
        (["--num-steps", "-3"], "num_steps"),
        (["--sampler", "huen"], "Did you mean 'heun'?"),
        (["--grid", "karas"], "Did you mean 'karras'?"),
        (["--sampler", "ddim:etta=1"], "Did you mean 'eta'?"),
        (["--sampler", "ddim:eta=x"], "eta"),
        (["--sampler", "ddim:eta=-1"], "eta"),
        (["--sampler", "deis:start=eulr"], "deis.start must be one of 'euler', 'corrected', "),
        (["--grid", "karras:rho=0"], "rho must be above 0, got 0.0"),
        (["--condition", "label=2"], "must be in 0..1, got 2"),
        (["--condition", "label=-1"], "must be in 0..1, got -1"),
        (["--condition", "label=leeft"], "Did you mean 'left'?"),
        (["--condition", "lable=0"], "Did you mean 'label'?"),
        (["--condition", "label=0,1"], "2 values for 16 samples"),
        (["--condition", "label"], "NAME=VALUE"),
        (["--condition", "label=0", "label=1"], "given twice"),
        (["--guidance", "cfg:nan", "--condition", "label=0"], "finite"),
        (["--guidance", "cgf:2", "--condition", "label=0"], "Did you mean 'cfg'?"),
        (["--guidance", "cfg:2"], "needs a condition"),
        (["--condition", "label=0", "--guidance", "nonsense", "--guidance", "clip"], "nonsense"),
        (["--condition", "label=0", "--condition", "label=1"], "given twice"),
        (["--guidance"], "--guidance needs a value, such as --guidance cfg:3."),
        (["--condition"], "--condition needs a value, such as --condition label=3."),
        (["--negative"], "--negative needs a value"),
        (["--sigma-y", "0.1"], "sigma_y says how a measurement steers; give one with --measure"),
        (["--method", "dps"], "method says how a measurement steers; give one with --measure"),
        (["--inpaint"], "--inpaint takes a picture and a mask, such as --inpaint picture.png"),
        (["--inpaint", "a.png"], "mask.png; got a.png."),
        (["--inpaint", "a", "b", "c"], "mask.png; got a b c."),
        (["--measure", "blur:2"], "--measure takes an operator and a file, such as --measure"),
        (["--measure", "blur:2", "a", "--measure", "blur:2", "b"], "may be given once, got 2"),
        (["--ema-width", "0.1"], "holds no checkpoint"),
    ],
)
def test_mistakes_are_named(
    saved_model: Path, arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sample", str(saved_model), *arguments]) == 1
    assert hint in capsys.readouterr().err


def test_rules_and_conditions_may_be_repeated_or_listed(saved_model: Path, tmp_path: Path) -> None:
    """`--guidance a --guidance b` is `--guidance a b`, the first innermost."""
    asked = ["--n", "2", "--num-steps", "2", "--condition", "label=0", "--negative", "label=1"]
    drawn = []
    for number, rules in enumerate((["cfg:8", "--guidance", "clip"], ["cfg:8", "clip"])):
        out = tmp_path / f"{number}.npz"
        arguments = [*asked, "--guidance", *rules, "--out", str(out)]
        assert main(["sample", str(saved_model), *arguments]) == 0
        with np.load(out) as content:
            drawn.append(content["samples"])
    model = Model.load(saved_model)
    given = {"condition": {"label": 0}, "negative": {"label": 1}, "num_steps": 2}
    expected = model.sample(2, guidance=["cfg:8", "clip"], **given)
    assert not torch.equal(expected, model.sample(2, guidance="cfg:8", **given))
    for samples in drawn:
        np.testing.assert_array_equal(samples, expected.numpy())


def test_absent_conditions_are_not_written_as_class_0(saved_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.npz"
    assert (
        main(["sample", str(saved_model), "--n", "2", "--num-steps", "1", "--out", str(out)]) == 0
    )
    with np.load(out) as content:
        assert sorted(content) == ["indices", "samples", "seed"]


def test_classes_named_by_digits_are_reached_by_name(tmp_path: Path) -> None:
    network = UNetConfig(base_channels=8, channel_multipliers=(1,), attention_levels=())
    config = ModelConfig((1, 8, 8), {"label": ClassEntry(2, ("1", "2"))}, network, EDM())
    Model(config, config.build(), Normalizer((0.3,), (0.35,))).save(tmp_path / "model")
    out = tmp_path / "samples.npz"
    words = f"sample {tmp_path / 'model'} --n 3 --num-steps 1 --condition label=1,2,0 --out {out}"
    assert main(words.split()) == 0
    with np.load(out) as content:
        assert content["condition_label"].tolist() == [0, 1, 0]


def test_conditions_are_mixed_and_steered_away_from(saved_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "mixed.npz"
    arguments = ["--n", "3", "--num-steps", "2", "--guidance", "cfg:2", "--out", str(out)]
    mixed = ["--condition", "label=0*0.75 label=1*0.25", "--negative", "label=1,0,1"]
    assert main(["sample", str(saved_model), *arguments, *mixed]) == 0
    with np.load(out) as file:
        assert file["condition_weights"].tolist() == [0.75, 0.25]
        assert file["condition_label_1"].tolist() == [0, 0, 0]
        assert file["condition_label_2"].tolist() == [1, 1, 1]
        samples = file["samples"]
    expected = Model.load(saved_model).sample(
        n=3,
        num_steps=2,
        guidance="cfg:2",
        condition=[({"label": 0}, 0.75), ({"label": 1}, 0.25)],
        negative={"label": [1, 0, 1]},
    )
    np.testing.assert_array_equal(samples, expected.numpy())


def test_a_negative_condition_needs_a_rule(
    saved_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--condition", "label=0", "--negative", "label=1"]
    assert main(["sample", str(saved_model), *asked]) == 1
    assert "give a rule such as cfg:3" in capsys.readouterr().err


@pytest.fixture
def rewards(tmp_path: Path) -> Path:
    path = tmp_path / "rewards.py"
    path.write_text(
        "def brightness(x0, condition):\n    return x0.mean((1, 2, 3))\n\n\n"
        "def lit(x0, condition):\n    return (x0 > 0.5).float().mean((1, 2, 3))\n\n\n"
        "def nan(x0, condition):\n    return brightness(x0, condition) * float('nan')\n"
    )
    return path


def test_particles_are_typed_with_their_reward(
    saved_model: Path, tmp_path: Path, rewards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "particles.npz"
    typed = f"particles:{rewards}#lit:20:5,sampler=euler_ancestral,ess_threshold=0.9"
    words = f"sample {saved_model} --n 3 --num-steps 4 --batch-size 2 --json --out {out} --sampler"
    assert main([*words.split(), typed]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["evaluations_per_sample"] == 4 * 5
    of = summary["particles"]
    assert of["num_particles"] == 5
    assert 1 <= of["least_effective"] < of["mean_effective"] < 5
    assert 0 < of["resamplings_per_sample"] <= 4
    sampler = ParticleSampler(
        lambda x0, _: (x0 > 0.5).float().mean((1, 2, 3)),
        20.0,
        5,
        sampler=EulerAncestralSampler(),
        ess_threshold=0.9,
    )
    model = Model.load(saved_model)
    for given in (sampler, typed):
        expected = model.sample(3, num_steps=4, batch_size=2, sampler=given)
        with np.load(out) as content:
            np.testing.assert_array_equal(content["samples"], expected.numpy())


def test_the_best_of_several_is_better_than_each(
    saved_model: Path, tmp_path: Path, rewards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = f"particles:{rewards}#brightness:1:NUM,choose=best,ess_threshold=0"
    brightness = []
    for count in (1, 2, 8):  # the particles of a smaller number are not among those of a larger
        out = tmp_path / f"best{count}.npz"
        words = f"sample {saved_model} --n 8 --num-steps 2 --out {out} --sampler"
        assert main([*words.split(), typed.replace("NUM", str(count))]) == 0
        assert f"Of {count} particles, " in capsys.readouterr().out
        with np.load(out) as content:
            brightness.append(content["samples"].mean())
    assert brightness[0] < brightness[1] < brightness[2]


def test_the_reward_may_also_steer(
    saved_model: Path, tmp_path: Path, rewards: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = f"sample {saved_model} --n 2 --num-steps 3 --json --out {tmp_path / 'x.npz'}".split()
    sampler = ["--sampler", f"particles:{rewards}#brightness:20:4"]
    reward = f"reward:{rewards}#brightness:20"
    assert main([*asked, *sampler, "--guidance", "clip", reward]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["evaluations_per_sample"] == summary["gradients_per_sample"] == 3 * 4
    assert main([*asked, *sampler, "--guidance", reward, "clip"]) == 1
    assert "rule Reward out of its weights, which Clip round it" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("particles", "lacks fn, scale, num_particles; it is written particles:FILE.py#FUNCTION:"),
        ("particles:FILE#brightness:3", "lacks num_particles"),
        ("particles:FILE.none#brightness:3:4", "There is no file"),
        ("particles:FILE#brightnes:3:4", "Did you mean 'brightness'?"),
        ("particles:FILE:3:4", "written FILE.py#FUNCTION"),
        ("particles:FILE#nan:3:4", "#nan must give numbers, got NaN"),
        ("particles:FILE#brightness:3:0", "num_particles must be a whole number, at least 1"),
        ("particles:FILE#brightness:3:4,sampler=heun", "HeunSampler() draws no noise"),
        ("particles:FILE#brightness:3:4,sampler=huen", "Did you mean 'heun'?"),
        ("particles:FILE#brightness:3:4,report=3", "Unknown setting of particles 'report'"),
    ],
)
def test_mistakes_in_particles_are_named(
    saved_model: Path, rewards: Path, typed: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sampler = typed.replace("FILE", str(rewards), 1)
    assert main(["sample", str(saved_model), "--n", "1", "--sampler", sampler]) == 1
    assert hint in capsys.readouterr().err
