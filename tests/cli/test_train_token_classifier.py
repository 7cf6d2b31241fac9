"""`clarion train-classifier` for sequences, from a table to sequences that are steered."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from safetensors.torch import load_file

import clarion
from clarion.base.condition import ClassEntry
from clarion.cli.main import main
from clarion.run.model import Model

SMALL = "--network.width 8 --network.num-blocks 1 --network.head-width 4"
TINY = (
    "--batch-size 8 --num-steps 4 --validate-every 2 --checkpoint-every 2 --report-every 2 "
    "--precision float32 --json"
)
READ = "--alphabet auto --conditions kind=class score=vector:score"


def run(line: str) -> int:
    return main(shlex.split(line))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sequences of two kinds, in which other letters stand."""
    rows = [f"{'AC' * (1 + i % 3)},left,{i}\n{'GT' * (1 + i % 3)},right,{i}" for i in range(20)]
    path = tmp_path / "genes.csv"
    path.write_text("\n".join(["sequence,kind,score", *rows]) + "\n")
    return path


@pytest.fixture
def model(table: Path, tmp_path: Path) -> Path:
    place = tmp_path / "model"
    assert run(f"train sequences --data {table} {READ} {SMALL} {TINY} --out {place}") == 0
    return place


def test_from_a_run_to_samples_that_are_steered(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    whole, part = tmp_path / "whole", tmp_path / "part"
    words = f"train-classifier {model} {SMALL} {TINY}"
    assert run(f"{words} --out {whole}") == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert reports[0]["data"]["count"] == 40
    assert [r["step"] for r in reports if "accuracy" in r] == [2, 4]
    assert run(f"{words} --out {part} --stop-after 2") == 0
    assert run(f"train-classifier --resume {part} --json") == 0
    one, two = (load_file(place / "model.safetensors") for place in (whole, part))
    assert all(one[name].equal(two[name]) for name in one)

    classifier = clarion.load_classifier(whole)
    assert classifier.data is not None
    assert classifier.data.codec == Model.load(model).codec
    (entry,) = classifier.data.spec.values()
    assert isinstance(entry, ClassEntry)
    assert entry.class_names == ("left", "right")
    capsys.readouterr()
    line = f"sample {model} --n 3 --num-steps 2 --condition kind=left --json --out {tmp_path / 's'}"
    found = []
    for setting in ("", ",neighbours=first_order"):
        assert run(f"{line}{setting}.csv --guidance classifier:{whole}:3{setting}") == 0
        found.append(json.loads(capsys.readouterr().out)["evaluations_per_sample"])
    exact, first_order = found
    assert first_order == 2 * (1 + 1)
    # All six positions are masked in the first step, and some of them in the second.
    whole_step, least = 1 + (1 + 6 * 5), 1 + 1
    assert whole_step + least <= exact < 2 * whole_step
    assert run(f"inspect {whole} --json") == 0
    assert json.loads(capsys.readouterr().out)["classifier"]["domain"] == "sequence"


def test_data_are_read_by_the_vocabulary_and_the_classes_of_the_model(
    model: Path, table: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a saved model, whose data must be named: other letters would be other numbers."""
    Model.load(model).save(tmp_path / "saved")
    some = tmp_path / "some.csv"
    lines = table.read_text().splitlines()
    some.write_text("\n".join([lines[0], *lines[2::2]]) + "\n")  # those of G and T alone
    words = f"train-classifier {tmp_path / 'saved'} --data {some} {SMALL} {TINY}"
    assert run(f"{words} --conditions kind=class --out {tmp_path / 'run'}") == 0
    data = clarion.load_classifier(tmp_path / "run").data
    assert data is not None
    assert data.codec == Model.load(model).codec
    capsys.readouterr()
    for old, new, message in (
        ("GT,", "GX,", "unknown letter 'X' in place 2 of 'GX'"),
        ("right", "up", "Unknown class of kind 'up'"),
        ("GTGTGT,", "GTGTGTG,", "has 7 tokens, where at most 6"),
    ):
        some.write_text("\n".join([lines[0], *lines[2::2]]).replace(old, new) + "\n")
        assert run(f"{words} --conditions kind=class --out {tmp_path / 'other'}") == 1
        assert message in capsys.readouterr().err
    assert run(f"{words} --data {table} --out {tmp_path / 'other'}") == 1
    assert "The data do not tell 'kind'" in capsys.readouterr().err
