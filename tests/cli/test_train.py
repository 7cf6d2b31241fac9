"""`clarion train`, from the command line to a model that samples."""

from __future__ import annotations

import json
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import clarion
from clarion.base.errors import ClarionError
from clarion.cli.main import main
from clarion.cli.train import parse
from clarion.domains.tables import RECIPES
from clarion.process.gaussian import VPCosine

TINY = shlex.split(
    "--network.base-channels 8 --network.channel-multipliers 1 2 --network.attention-levels "
    "--network.blocks-per-level 1 --batch-size 4 --num-steps 6 --report-every 2 "
    "--validate-every 3 --checkpoint-every 3 --precision float32 --device cpu --json"
)


def test_a_folder_becomes_a_model(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "images", "--data", str(picture_folder), "--out", str(run), *TINY]
    assert main([*arguments, "--stop-after", "3"]) == 0
    assert f"Go on with: clarion train --resume {run}" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--json"]) == 0
    reports = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert reports[0]["data"]["count"] == 16
    assert [r["step"] for r in reports if "loss" in r] == [2, 3, 4, 6]
    assert [r["step"] for r in reports if "validation" in r] == [3, 6]
    model = clarion.load(run)
    assert model.config.condition["label"].class_names == ("left", "right")
    assert model.sample(n=2, condition={"label": "left"}, num_steps=2).shape == (2, 1, 8, 8)

    out = str(tmp_path / "wide.png")
    wide = ["sample", str(run), "--ema-width", "0.08", "--num-steps", "1", "--n", "1", "--out", out]
    assert main(wide) == 0
    averages = run / "steps" / "00000006" / "ema.safetensors"
    names = [name for name in load_file(averages) if not name.endswith("leave.bias")]
    save_file({name: load_file(averages)[name] for name in names}, averages)
    capsys.readouterr()
    assert main(wide) == 1
    assert "ema.safetensors lacks leave.bias" in capsys.readouterr().err

    assert main(arguments) == 1
    assert "is not empty; go on with --resume" in capsys.readouterr().err
    assert main(["train", "--resume", str(run), "--batch-size", "2"]) == 1
    assert "keeps its settings" in capsys.readouterr().err


def test_a_bad_picture_stops_it_unless_skipped(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture_folder / "left" / "broken.png").write_bytes(b"no picture")
    words = ["train", "images", "--data", str(picture_folder), *TINY, "--stop-after", "1"]
    assert main([*words, "--out", str(tmp_path / "a")]) == 1
    message = capsys.readouterr().err
    assert "broken.png" in message
    assert "skip" in message
    assert not (tmp_path / "a").exists()
    assert main([*words, "--out", str(tmp_path / "b"), "--skip-bad"]) == 0


@pytest.mark.parametrize("recipe", RECIPES)
def test_each_recipe_is_what_it_says_until_a_flag_changes_it(recipe: str) -> None:
    assert parse([recipe])[2] == RECIPES[recipe]()
    assert parse([recipe, "--num-steps", "7"])[2].num_steps == 7


def test_the_process_can_be_chosen_by_name() -> None:
    config = parse(["images", "--process", "vp_cosine", "--process.log-snr-max", "10"])[2]
    assert config.process == VPCosine(log_snr_max=10.0)
    assert parse(["images", "--process=vp_cosine"])[2].process == VPCosine()


def test_a_resumed_training_takes_no_settings() -> None:
    for setting in (["--batch-size", "3"], ["--process", "ve"], ["--process", "edm"]):
        with pytest.raises(ClarionError, match="beside --resume only --data and --val"):
            parse(["--resume", "run", *setting])


def test_data_to_validate_on_are_read_like_the_others_but_for_what_is_said() -> None:
    words = ["images", "--data", "a", "--size", "32", "--resize", "crop"]
    config = parse([*words, "--validation", "b"])[2]
    assert config.validation == replace(config.data, source="b")
    config = parse([*words, "--validation=b", "--validation.resize", "pad"])[2]
    assert config.validation == replace(config.data, source="b", resize="pad")
    config = parse([*words, "--validation.split", "test"])[2]
    assert config.validation == replace(config.data, split="test")
    assert parse(words)[2].validation is None
    config = parse(["fashion", "--size", "16", "--resize", "stretch"])[2]
    assert config.validation == replace(config.data, split="test")
    for same in (["--validation", "a"], ["--validation.split", "train"]):
        with pytest.raises(ClarionError, match="validate on are those to train on"):
            parse([*words, *same])


def test_a_training_validates_on_other_pictures(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    other = tmp_path / "other"
    shutil.copytree(picture_folder, other)
    for name in ("0", "1", "2"):
        (other / "left" / f"{name}.png").unlink()
    monkeypatch.chdir(tmp_path)
    words = ["train", "images", "--data", str(picture_folder), *TINY]
    assert main([*words, "--validation", "other", "--out", "run", "--stop-after", "3"]) == 0
    reports = [
        json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    ]
    (sizes,) = (r for r in reports if "training_examples" in r)
    assert (sizes["training_examples"], sizes["validation_examples"]) == (16, 13)
    moved = other.rename(tmp_path / "moved")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    resume = ["train", "--resume", str(tmp_path / "run"), "--json"]
    assert main(resume) == 1
    assert main([*resume, "--validation", str(moved)]) == 0
    assert main([*words, "--out", "plain", "--stop-after", "3"]) == 0
    capsys.readouterr()
    assert main(["train", "--resume", "plain", "--validation", str(moved)]) == 1
    assert "holds out a part of its data; leave --validation out" in capsys.readouterr().err
    (moved / "left").rename(moved / "up")
    assert main([*words, "--validation", str(moved), "--out", "refused"]) == 1
    assert "up" in capsys.readouterr().err


def test_a_recipe_for_your_own_data_asks_for_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "images", "--num-steps", "3"]) == 1
    assert "Name the data: --data" in capsys.readouterr().err


def test_a_run_is_resumed_from_any_folder_and_with_its_data_moved(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    monkeypatch.chdir(tmp_path)
    arguments = ["train", "images", "--data", picture_folder.name, "--out", str(run), *TINY]
    assert main([*arguments, "--stop-after", "3"]) == 0
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["train", "--resume", str(run), "--stop-after", "4", "--json"]) == 0
    moved = picture_folder.rename(tmp_path / "moved")
    assert main(["train", "--resume", str(run), "--json"]) == 1
    assert main(["train", "--resume", str(run), "--data", str(moved), "--json"]) == 0


def test_a_training_whose_data_changed_is_not_resumed(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "images", "--data", str(picture_folder), "--out", str(run), *TINY]
    assert main([*arguments, "--stop-after", "3"]) == 0
    (picture_folder / "left" / "0.png").unlink()
    assert main(["train", "--resume", str(run)]) == 1
    assert "The data have 15 examples, and had 16" in capsys.readouterr().err


def test_a_run_killed_before_its_first_checkpoint_starts_over(
    picture_folder: Path, tmp_path: Path
) -> None:
    whole, again = tmp_path / "whole", tmp_path / "again"
    arguments = ["train", "images", "--data", str(picture_folder), *TINY]
    assert main([*arguments, "--out", str(whole)]) == 0
    assert main([*arguments, "--out", str(again), "--stop-after", "1"]) == 0
    shutil.rmtree(again / "steps")
    (again / "model.safetensors").unlink()
    assert main(["train", "--resume", str(again), "--json"]) == 0
    weights = [(run / "model.safetensors").read_bytes() for run in (whole, again)]
    assert weights[0] == weights[1]


def test_settings_that_cannot_be_used_leave_no_folder(
    picture_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    arguments = ["train", "images", "--data", str(picture_folder), "--out", str(run), *TINY]
    assert main([*arguments, "--loss.weighting", "nosie"]) == 1
    assert "Did you mean 'noise'?" in capsys.readouterr().err
    assert main([*arguments, "--stop-after", "0"]) == 1
    assert "stop_after must be at least 1, got 0" in capsys.readouterr().err
    assert not run.exists()


def test_a_run_has_a_card(picture_folder: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    arguments = ["train", "images", "--data", str(picture_folder), "--out", str(run), *TINY]
    assert main([*arguments, "--stop-after", "1"]) == 0
    card = (run / "README.md").read_text()
    assert "`label`: class of 2: left, right" in card
    assert "1 x 8 x 8" in card
