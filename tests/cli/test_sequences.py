"""Sequences from a table to samples in a file, by the commands."""

from __future__ import annotations

import csv
import json
import random
import shlex
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from clarion.base.vocabulary import PADDING, Vocabulary
from clarion.cli.main import main
from clarion.run.model import Model

SMALL = "--network.width 8 --network.num-blocks 1 --network.head-width 4 --batch-size 8"
RARE = "--num-steps 4 --validate-every 2 --checkpoint-every 2 --report-every 2 --precision float32"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rng = random.Random(0)
    rows = ["sequence,score"]
    for i in range(40):
        rows.append("".join(rng.choices("ACGT", k=rng.randint(2, 6))) + f",{i % 7}")
    rows[1] = "ACGTAC,0"
    (tmp_path / "genes.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "genes.csv"


def run(line: str) -> int:
    return main(shlex.split(line))


def train(table: Path, out: Path, more: str = "") -> int:
    asked = "--alphabet dna --conditions target=vector:score,units=log"
    return run(f"train sequences --data {table} {asked} {SMALL} {RARE} --out {out} --json {more}")


def test_from_a_table_to_samples(table: Path, tmp_path: Path, capsys) -> None:
    assert train(table, tmp_path / "run") == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["data"]["count"] == 40
    vocabulary = json.loads((tmp_path / "run" / "vocabulary.json").read_text())
    assert vocabulary == {"tokens": [*"ACGT", PADDING], "padding": PADDING}
    model = Model.load(tmp_path / "run")
    assert model.codec == Vocabulary((*"ACGT", PADDING), PADDING)
    assert (model.config.shape, model.config.domain) == ((6,), "sequence")

    out = tmp_path / "s.csv"
    line = f"sample {tmp_path / 'run'} --n 5 --num-steps 4 --condition target=3 --out {out}"
    assert run(line) == 0
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    drawn = model.sample(5, condition={"target": 3}, num_steps=4)
    assert [row["sequence"] for row in rows] == model.codec.texts(drawn)
    assert [row["index"] for row in rows] == list("01234")
    capsys.readouterr()
    assert run(f"sample {tmp_path / 'run'} --n 5 --out {tmp_path / 's.png'}") == 1
    assert "out must end in one of .csv .tsv" in capsys.readouterr().err


def test_a_training_that_is_resumed_reads_by_the_same_vocabulary(
    table: Path, tmp_path: Path, capsys
) -> None:
    assert train(table, tmp_path / "whole") == 0
    assert train(table, tmp_path / "run", "--stop-after 2") == 0
    moved = tmp_path / "elsewhere.csv"
    content = table.read_text()
    table.rename(moved)
    moved.write_text(content.replace("ACGTAC,0", "ACGTNC,0"))
    resume = f"train --resume {tmp_path / 'run'} --data {moved} --json"
    assert run(resume) == 1
    message = r"elsewhere.csv, line 2, column 'sequence': unknown letter 'N' in place 5 of 'ACGTNC'"
    assert message in capsys.readouterr().err
    moved.write_text(content.replace("ACGTAC,0", "ACGTACC,0"))
    assert run(resume) == 1
    assert "line 2, column 'sequence': the sequence has 7 tokens" in capsys.readouterr().err
    moved.write_text(content)
    assert run(resume) == 0
    one, two = (load_file(tmp_path / name / "model.safetensors") for name in ("whole", "run"))
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_a_training_validates_on_other_sequences(table: Path, tmp_path: Path, capsys) -> None:
    other = tmp_path / "other.csv"
    lines = table.read_text().splitlines()
    other.write_text("\n".join([lines[0], *lines[-7:], "GG,60"]) + "\n")
    assert train(table, tmp_path / "run", f"--validation {other}") == 0
    reports = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (sizes,) = (r for r in reports if "training_examples" in r)
    assert (sizes["training_examples"], sizes["validation_examples"]) == (40, 8)
    assert [r["step"] for r in reports if "validation" in r] == [2, 4]
    other.write_text("sequence,score\nGGNG,1\n")
    assert train(table, tmp_path / "refused", f"--validation {other}") == 1
    assert "other.csv, line 2, column 'sequence': unknown letter 'N'" in capsys.readouterr().err


def test_a_book(tmp_path: Path, capsys) -> None:
    (tmp_path / "book.txt").write_text("It was the best of times.\n" * 12)
    line = f"train text --data {tmp_path / 'book.txt'} --length 16 --data.stride 4 {SMALL} {RARE}"
    assert run(f"{line} --out {tmp_path / 'run'} --json") == 0
    report = json.loads(capsys.readouterr().out.splitlines()[0])["data"]
    assert (report["count"], report["length"], report["padding"]) == (75, 16, 0)
    assert run(f"sample {tmp_path / 'run'} --n 2 --num-steps 4 --out {tmp_path / 's.txt'}") == 0
    assert (tmp_path / "s.txt").read_text()
