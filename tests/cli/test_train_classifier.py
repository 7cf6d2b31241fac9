"""`clarion train-classifier`, from a model to samples that are steered."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch

import clarion
from clarion.base.condition import ClassEntry
from clarion.base.normalizer import Normalizer
from clarion.cli.main import main
from clarion.cli.train_classifier import parse
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import EDM
from clarion.run.config import ModelConfig
from clarion.run.model import Model

TINY = shlex.split(
    "--batch-size 8 --num-steps 6 --report-every 2 --validate-every 3 --checkpoint-every 3 "
    "--precision float32 --device cpu --json"
)


def train(model: Path, data: Path, run: Path, *more: str) -> int:
    words = ["train-classifier", str(model), "--data", str(data), "--out", str(run), *TINY]
    return main([*words, *more])


def test_a_model_gets_a_classifier_that_steers_it(
    saved_model: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(saved_model, picture_folder, run, "--stop-after", "3") == 0
    assert f"Go on with: clarion train-classifier --resume {run}" in capsys.readouterr().err
    assert main(["train-classifier", "--resume", str(run), "--json"]) == 0
    reports = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [r["step"] for r in reports if "loss" in r] == [2, 3, 4, 6]
    assert [r["step"] for r in reports if "accuracy" in r] == [3, 6]

    whole = tmp_path / "whole"
    assert train(saved_model, picture_folder, whole) == 0
    weights = [(place / "model.safetensors").read_bytes() for place in (run, whole)]
    assert weights[0] == weights[1]

    classifier, model = clarion.load_classifier(run), clarion.load(saved_model)
    assert classifier.process == model.config.process
    assert classifier.data is not None
    assert classifier.data.codec == model.codec
    out = tmp_path / "samples.npz"
    words = f"sample {saved_model} --n 2 --condition label=right --num-steps 2 --json"
    guided = ["--guidance", f"classifier:{run}:3", "--out", str(out)]
    capsys.readouterr()
    assert main([*words.split(), *guided]) == 0
    # The model and the classifier, each once a step.
    assert json.loads(capsys.readouterr().out)["evaluations_per_sample"] == 4
    rule = clarion.guide.ClassifierGuidance(3.0, classifier)
    expected = model.sample(2, condition={"label": "right"}, guidance=rule, num_steps=2)
    assert torch.equal(torch.from_numpy(np.load(out)["samples"]), expected)


def test_the_run_of_a_model_names_its_data(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = (
        "--network.base-channels 8 --network.channel-multipliers 1 2 --network.attention-levels"
    )
    run = tmp_path / "model"
    words = ["train", "images", "--data", str(picture_folder), "--out", str(run), *TINY]
    assert main([*words, *network.split(), "--data.class-names", "right", "left"]) == 0
    out = tmp_path / "classifier"
    assert main(["train-classifier", str(run), "--out", str(out), *TINY]) == 0
    data = clarion.load_classifier(out).data
    assert data is not None
    (label,) = data.spec.values()
    assert isinstance(label, ClassEntry)
    assert label.class_names == ("right", "left")
    config = json.loads((out / "config.json").read_text())
    assert config["train"]["data"]["source"] == str(picture_folder)
    assert config["classifier"]["network"]["base_channels"] == 8
    capsys.readouterr()
    assert main(["inspect", str(out), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["classifier"]["label"] == "label"
    assert content["weights"].endswith("whole and finite")
    assert content["checkpoints"] == "3, 6"
    assert content["accuracy"].endswith("at step 6")


def test_settings_are_flags(saved_model: Path) -> None:
    place, options, config = parse(
        [str(saved_model), "--data", "x", "--network.dropout", "0.3", "--noise.levels", "lognormal"]
    )
    assert (place, options.label) == (saved_model, None)
    assert (config.network.dropout, config.network.attention_levels) == (0.3, ())
    assert config.noise.levels == "lognormal"
    assert config.data.source == "x"
    assert config.data.class_names == ("left", "right")  # pyright: ignore


def test_wrong_input_is_refused_in_one_line(
    saved_model: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, missing = tmp_path / "run", tmp_path / "nothing"
    model = str(saved_model)

    def refused(*words: str) -> str:
        assert main([*words]) == 1
        message = capsys.readouterr().err
        assert message.count("\n") == 1
        return message

    assert "Name a run or a saved model" in refused("train-classifier")
    assert "There is no folder" in refused("train-classifier", str(missing))
    assert "Name the data: --data" in refused("train-classifier", model)
    assert "Unknown label of this model 'kind'" in refused(
        "train-classifier", model, "--label", "kind"
    )
    assert "leave" in refused("train-classifier", model, "--resume", str(run))
    flags = ["--data", str(picture_folder), "--out", str(run), *TINY]
    smaller = refused("train-classifier", model, *flags, "--size", "4", "--resize", "crop")
    assert "The data have shape (1, 4, 4), the model's samples (1, 8, 8)" in smaller
    (picture_folder / "left").rename(picture_folder / "up")
    assert "up" in refused("train-classifier", model, *flags)
    assert not run.exists()


def test_a_classifier_is_no_model_for_the_other_commands(
    saved_model: Path, picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert train(saved_model, picture_folder, run, "--stop-after", "1") == 0
    for words in (["sample", str(run)], ["train", "--resume", str(run)]):
        capsys.readouterr()
        assert main(words) == 1
        assert f"--guidance classifier:{run}:2" in capsys.readouterr().err
    assert main(["train-classifier", str(run)]) == 1
    assert "a model is wanted here" in capsys.readouterr().err
    words = ["sample", str(saved_model), "--condition", "label=left", "--guidance"]
    assert main([*words, f"classifier:{saved_model}:2"]) == 1
    assert f"clarion train-classifier {saved_model}" in capsys.readouterr().err
    assert main([*words, f"classifier:{run}"]) == 1
    assert "lacks scale; it is written classifier:CLASSIFIER:SCALE" in capsys.readouterr().err


def test_a_model_without_labels_gets_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = UNetConfig(base_channels=8, channel_multipliers=(1,), attention_levels=())
    for condition, message in (
        ({}, "Labels of this model: none"),
        ({"a": ClassEntry(2), "b": ClassEntry(3)}, "say which with --label. Labels of this model"),
    ):
        config = ModelConfig((1, 8, 8), condition, network, EDM())
        Model(config, config.build(), Normalizer((0.3,), (0.35,))).save(tmp_path / "model")
        assert main(["train-classifier", str(tmp_path / "model"), "--data", "x"]) == 1
        assert message in capsys.readouterr().err
