"""Molecules from a table to samples, drawn and measured, by the commands."""

from __future__ import annotations

import csv
import json
import shlex
from pathlib import Path

import pytest
from PIL import Image

from clarion.cli.main import main
from clarion.domains.sequence.molecules.chemistry import canonical
from clarion.run.model import Model

SMILES = ["CCO", "CCN", "c1ccccc1", "CC(C)C", "C1CC1", "C#N", "COC", "CC=O"]
SMALL = "--network.width 8 --network.num-blocks 1 --network.head-width 4 --batch-size 8"
RARE = "--num-steps 2 --validate-every 0 --checkpoint-every 2 --precision float32 --json"


def run(line: str) -> int:
    return main(shlex.split(line))


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


@pytest.fixture
def known(tmp_path: Path) -> Path:
    (tmp_path / "known.csv").write_text("\n".join(["smiles", *SMILES]) + "\n")
    return tmp_path / "known.csv"


@pytest.mark.parametrize("alphabet", ["smiles", "selfies"])
def test_from_a_table_to_molecules(known: Path, tmp_path: Path, capsys, alphabet: str) -> None:
    asked = f"--alphabet {alphabet} --conditions qed=vector rings=class"
    assert run(f"train sequences --data {known} {asked} {SMALL} {RARE} --out {tmp_path / 'm'}") == 0
    capsys.readouterr()
    line = f"sample {tmp_path / 'm'} --n 8 --num-steps 4 --condition qed=0.9"
    assert run(f"{line} --out {tmp_path / 's.csv'}") == 0
    assert run(f"{line} --out {tmp_path / 's.png'}") == 0
    with (tmp_path / "s.csv").open() as stream:
        drawn = [row["sequence"] for row in csv.DictReader(stream)]
    model = Model.load(tmp_path / "m")
    texts = model.codec.texts(model.sample(8, condition={"qed": 0.9}, num_steps=4))  # pyright: ignore
    if alphabet == "smiles":
        assert drawn == texts
    else:  # whatever is drawn stands for a molecule, unless it stands for nothing at all
        assert all(canonical(text) is not None for text in drawn if text)
        assert not any("[" in text for text in drawn if "+" not in text and "-" not in text)
    assert size_of(tmp_path / "s.png") == (6 * 220, 2 * 190)
    capsys.readouterr()
    assert run(f"evaluate molecules {tmp_path / 's.csv'} --reference {known} --json --fcd 0") == 0
    card = json.loads(capsys.readouterr().out)
    assert card["metrics"]["valid"]["value"] == sum(canonical(t) is not None for t in drawn) / 8


def test_what_is_measured_is_written_and_drawn(known: Path, tmp_path: Path, capsys) -> None:
    samples = tmp_path / "s.csv"
    samples.write_text("index,sequence\n0,OCC\n1,C1CC\n2,CCCl\n3,ClCC\n4,CF\n5,\n")
    table, picture = tmp_path / "out" / "t.csv", tmp_path / "out" / "p.png"
    line = f"evaluate molecules {samples} --reference {known} --table {table} --picture {picture}"
    assert run(f"{line} --json") == 0
    card = json.loads(capsys.readouterr().out)
    found, basis = card["metrics"], card["basis"]
    assert (basis["reference n"], basis["fcd"]) == (len(SMILES), 5000)
    shares = {name: (found[name]["value"], found[name]["n"]) for name in list(found)[:4]}
    assert shares == {
        "valid": (4 / 6, 6),
        "unique": (3 / 4, 4),
        "novel": (2 / 3, 3),
        "valid, unique and novel": (2 / 6, 6),
    }
    assert found["fcd"]["n"] == found["fcd of real ones"]["n"] == 4
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["canonical"] for row in rows] == ["CCO", "", "CCCl", "CCCl", "CF", ""]
    assert [row["known"] for row in rows] == ["true", "", "false", "false", "false", ""]
    known.write_text(known.read_text() + "CCCCCC\n")
    assert run(f"{line} --json --fcd 0") == 0
    other = json.loads(capsys.readouterr().out)["basis"]
    assert other["reference sha256"] != basis["reference sha256"]
    assert [row["repeated"] for row in rows] == ["false", "", "false", "true", "false", ""]
    assert (rows[0]["rings"], rows[1]["rings"]) == ("0", "")
    assert size_of(picture) == (2 * 220, 190)  # the two that are novel
    # What is written can be trained on, its columns as conditions.
    assert run(f"inspect {table} --column canonical --alphabet smiles --conditions qed=vector") == 1
    assert "line 3, column 'canonical': the sequence is empty" in capsys.readouterr().err
    assert run(f"evaluate molecules {samples}") == 0
    text = capsys.readouterr().out
    assert "novel" not in text
    assert ["valid", "0.6667", "[0.3,", "0.9032]", "6"] in map(str.split, text.splitlines())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("", "Name what is to be measured: clarion evaluate NAME SAMPLES. Known: arrays, "),
        ("molecule x.csv", "Unknown evaluation 'molecule'. Did you mean 'molecules'?"),
        ("molecules none.csv", "There is no file none.csv"),
        ("molecules s.txt", "s.txt is one long text; molecules are read from a table"),
        ("molecules s.csv --table t.png", "table must end in .csv, got 't.png'"),
        ("molecules s.csv --fcd -1", "fcd must be 0 or more, got -1"),
        ("molecules s.csv --column none", "Unknown column 'none'. Known: smiles."),
        ("molecules s.csv --reference s.csv", "s.csv holds no molecule."),
        ("molecules s.csv --picture p.png", "s.csv has no molecule to draw."),
    ],
)
def test_errors_say_what_to_do(words, message, tmp_path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.csv").write_text("smiles\nC1CC\n")
    Path("s.txt").write_text("CCO\n")
    assert run(f"evaluate {words}") == 1
    assert message in capsys.readouterr().err


def test_help_names_what_there_is(capsys) -> None:
    with pytest.raises(SystemExit):
        run("evaluate --help")
    assert "Known: arrays, images, likelihood, molecules, speech." in capsys.readouterr().out


def test_only_molecules_are_drawn(tmp_path: Path, capsys) -> None:
    (tmp_path / "p.csv").write_text("sequence\nARND\nARN\n")
    data = f"--data {tmp_path / 'p.csv'} --alphabet protein"
    assert run(f"train sequences {data} {SMALL} {RARE} --out {tmp_path / 'm'}") == 0
    capsys.readouterr()
    assert run(f"sample {tmp_path / 'm'} --n 2 --out {tmp_path / 's.png'}") == 1
    message = capsys.readouterr().err
    assert "out must end in one of .csv .tsv .fasta .fa .txt" in message
    assert "Only molecules are drawn, of smiles or selfies." in message
