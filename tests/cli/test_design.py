"""`clarion design`, from a table to designs."""

from __future__ import annotations

import csv
import itertools
import json
import re
from pathlib import Path

import pytest
from PIL import Image

from clarion.cli.main import main

SMALL = (
    "--num-steps", 60, "--network.width", 16, "--network.num-blocks", 1, "--network.head-width", 8,
    "--ensemble.num-steps", 60, "--ensemble.num-folds", 2, "--ensemble.network.width", 8,
    "--search.num-trials", 16, "--search.beyond", 0, 2, "--search.scales", 1, 3,
    "--search.strengths", 0, 1,
)  # fmt: skip
"""Sizes that take seconds."""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Sequences of five letters and how many A they have; those with four or more are not told."""
    rows = ["name,seq,count"]
    for i, letters in enumerate(itertools.product("ABC", repeat=5)):
        if letters.count("A") < 4:
            rows.append(f"s{i},{''.join(letters)},{letters.count('A')}")
    path = tmp_path / "letters.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def design(table: Path, *words: object) -> int:
    out = table.parent / "out"
    fixed = ["design", table, "--sequence-column", "seq", "--target", "count", "--out", out]
    return main([str(word) for word in (*fixed, *SMALL, *words)])


def chosen_of(trials: list[dict[str, float]], diversity: float = 0) -> tuple[float, float]:
    """What is asked for and the strength: the best of those up to the least spread."""
    plain = [t for t in trials if t["strength"] == 0 and t["share_new"]]
    kept = [t for t in plain if t["diversity"] >= diversity]
    first = max(kept, key=lambda t: t["merit"])
    tried = [first, *(t for t in trials if t["strength"])]
    spreads = [t["spread"] for t in tried]
    tried = tried[: spreads.index(min(spreads)) + 1]
    tried = [t for t in tried if t["share_new"] and t["diversity"] >= diversity]
    best = max(tried, key=lambda t: t["merit"])
    return best["asked"], best["strength"]


def test_designs_are_new_and_differ(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert design(table, "--n", 6) == 0
    said = capsys.readouterr().out
    with (table.parent / "out" / "designs.csv").open() as file:
        rows = list(csv.DictReader(file))
    known = {row["seq"] for row in csv.DictReader(table.read_text().splitlines())}
    found = [row["sequence"] for row in rows]
    assert 1 <= len(found) <= 6
    assert len(set(found)) == len(found)
    assert not set(found) & known
    # Of five letters, what is not known has four A or five.
    assert all(text.count("A") >= 4 for text in found)
    assert f"{len(found)} designs in" in said
    assert "the better half of what is known is ranked at" in said
    for row in rows:
        assert float(row["low"]) <= float(row["high"])
        differing = sum(a != b for a, b in zip(row["sequence"], row["nearest"], strict=True))
        assert int(row["distance"]) <= differing
        assert float(row["its_value"]) == row["nearest"].count("A")
    chosen = json.loads((table.parent / "out" / "design.json").read_text())
    assert -1 <= chosen["foresight"]["beyond"]["value"] <= 1
    assert len(chosen["trials"]) == 5
    assert [t["strength"] for t in chosen["trials"]] == [0, 0, 0, 0, 1]
    assert chosen_of(chosen["trials"]) == (chosen["asked"], chosen["strength"])
    with Image.open(table.parent / "out" / "designs.png") as picture:
        assert picture.width > 500


def test_a_model_that_is_there_is_used_again(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert design(table, "--n", 3) == 0
    weights = (table.parent / "out" / "model" / "model.safetensors").read_bytes()
    first = (table.parent / "out" / "designs.csv").read_bytes()
    assert design(table, "--n", 3) == 0
    assert (table.parent / "out" / "model" / "model.safetensors").read_bytes() == weights
    assert (table.parent / "out" / "designs.csv").read_bytes() == first


OWN = """
import torch

def last(x):  # the share of A in the last place alone
    return x[:, -1, 0]

def counted(x):  # torch cannot differentiate it
    return (x[..., 0] > 0.5).sum(1).float()

def partial(x):
    if (x[:, 0, 1] * x[:, 4, 2] > 0.5).any():
        raise KeyError("no B first and C last")
    return x[..., 0].sum(1)

def broken(x):
    return torch.where(x[:, 0, 2] * x[:, 1, 0] > 0.5, torch.nan, x[..., 0].sum(1))

def flat(x):
    return torch.ones(len(x))

def wide(x):
    return x[..., 0]

def with_numpy(x):
    return torch.from_numpy((x.numpy()[..., 0] > 0.5).sum(1))

def of_letters(x):
    if not ((x == 0) | (x == 1)).all():
        raise ValueError("only whole letters")
    return x[..., 0].sum(1)

def of_the_batch(x):
    return x[..., 0].sum(1) - x[..., 0].sum(1).mean()
"""


def test_a_predictor_of_ones_own_steers_and_judges(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (table.parent / "own.py").write_text(OWN)
    shares = {}
    for name in ("last", "counted"):
        own = ("--predictor", table.parent / f"own.py#{name}")
        assert design(table, "--n", 6, "--search.strengths", 8, *own) == 0
        with (table.parent / "out" / "designs.csv").open() as file:
            rows = list(csv.DictReader(file))
        shares[name] = sum(row["sequence"].endswith("A") for row in rows) / len(rows)
        for row in rows if name == "counted" else ():
            # Stretched to the known values, which it counts itself.
            assert float(row["said"]) == pytest.approx(row["sequence"].count("A"), abs=1e-3)
    assert shares["last"] == 1 > shares["counted"]
    assert "steered at strength 8" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "partial",
            "fails on sequence 74 of the table, 'BAAAC': KeyError: 'no B first and C last'",
        ),
        ("broken", "gives nan of sequence"),
        ("flat", "says 1 of all 232 known sequences"),
        ("wide", "must give a tensor of one number a sequence, shape (232,), got (232, 5)"),
        ("of_the_batch", "predictor own.py#of_the_batch must not depend on the others"),
        ("missing", "Unknown function"),
    ],
)
def test_a_predictor_that_fails_is_refused_before_the_training(
    table: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
) -> None:
    (table.parent / "own.py").write_text(OWN)
    assert design(table, "--predictor", table.parent / f"own.py#{name}") == 1
    assert message in capsys.readouterr().err.replace("\n", " ")
    assert not (table.parent / "out" / "model").exists()


@pytest.mark.parametrize("name", ["with_numpy", "of_letters"])
def test_a_predictor_that_cannot_be_differentiated_judges(
    table: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    (table.parent / "own.py").write_text(OWN)
    assert design(table, "--n", 3, "--predictor", table.parent / f"own.py#{name}") == 0
    assert f"own.py#{name} judges and does not steer" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--num-steps", 40), "num_steps was 60, and is now 40"),
        (("--network.width", 8), "network.width was 16, and is now 8"),
        (("--batch-size", 16), "batch_size was 128, and is now 16"),
    ],
)
def test_a_model_of_other_settings_is_not_taken_for_this(
    table: Path, capsys: pytest.CaptureFixture[str], words: tuple, message: str
) -> None:
    assert design(table, "--n", 3) == 0
    assert design(table, "--n", 3, "--seed", 4) == 0  # designs of another seed, by the same model
    assert design(table, "--n", 3, *words) == 1
    assert message in capsys.readouterr().err.replace("\n", " ")


def test_a_model_of_another_table_is_not_taken_for_this(
    table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert design(table, "--n", 3) == 0
    moved = table.rename(table.with_name("moved.csv"))
    assert design(moved, "--n", 3) == 0
    moved.write_text(moved.read_text() + "s243,AAAAA,5\n")
    assert design(moved, "--n", 3) == 1
    assert "trained on other sequences or numbers" in capsys.readouterr().err.replace("\n", " ")


def test_what_falls_short_is_said(table: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert design(table, "--n=200", "--diversity=9") == 0
    said = capsys.readouterr().out
    assert re.search(r"\d+ designs of the 200 wanted \(the model drew no more", said)
    assert re.search(r"edits from the nearest known, [\d.]+ from each other, 9 were wanted", said)


def test_numbers_of_the_table_come_back_as_they_stand(table: Path) -> None:
    assert design(table, "--n", 6) == 0
    told = json.loads((table.parent / "out" / "design.json").read_text())
    assert told["known_best"] == [0, 3]


def test_molecules_in_selfies_are_designed_as_smiles(table: Path) -> None:
    chains = ["".join(atoms) for n in (2, 3) for atoms in itertools.product("CNO", repeat=n)]
    rows = [f"{smiles},{smiles.count('N')}" for smiles in chains if smiles.count("N") < 3]
    table.write_text("\n".join(["seq,count", *rows]) + "\n")
    assert design(table, "--n", 2, "--alphabet", "selfies", "--num-steps", 20) == 0
    with (table.parent / "out" / "designs.csv").open() as file:
        found = list(csv.DictReader(file))
    assert found
    for row in found:
        assert "[" not in row["sequence"] + row["nearest"]
        assert row["nearest"] in chains
        known = [line.split(",")[0] for line in rows]
        assert row["sequence"] not in known
        assert row["sequence"][::-1] not in known  # the same molecule, spelled from its other end


def test_a_diversity_that_is_asked_for_is_kept(table: Path) -> None:
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line for line in lines if not line.endswith(",3")) + "\n")
    few = ("--n", 3, "--search.num-trials", 3, "--search.candidates", 30)
    for wanted in (0, 2):
        assert design(table, *few, "--diversity", wanted) == 0
        told = json.loads((table.parent / "out" / "design.json").read_text())
        assert chosen_of(told["trials"], wanted) == (told["asked"], told["strength"])
        assert told["num_designs"] == 3
        assert told["diversity"] >= wanted


@pytest.mark.parametrize(
    ("change", "words", "message"),
    [
        (("AAABB,3", "AAABB,"), (), "the target is missing"),
        (("AAABB,3", "AAABB,much"), (), "much"),
        ((",seq,", ",letters,"), (), "seq"),
        (("", ""), ("--search.level", 1.5), "level must lie between 0 and 1"),
        (("", ""), ("--diversity", -1), "diversity must be a finite number at least 0, got -1"),
        (("", ""), ("--n", 0), "num_designs must be a whole number, at least 1, got 0"),
        (
            ("", ""),
            ("--ensemble.num-folds", 1),
            "num_folds must be a whole number, at least 2, got 1",
        ),
        (("", ""), ("--ensemble.num-folds", 150), "needs at least 300 examples, got 232"),
        (
            ("", ""),
            ("--ensemble.num-steps", 0),
            "num_steps must be a whole number, at least 1, got 0",
        ),
        (
            ("", ""),
            ("--search.num-steps", 0),
            "num_steps must be a whole number, at least 1, got 0",
        ),
        (
            ("", ""),
            ("--search.scales", "nan"),
            "scales must be a finite number at least 0, got nan",
        ),
        (
            ("", ""),
            ("--search.strengths", "-1"),
            "strengths must be a finite number at least 0, got -1",
        ),
        (("", ""), ("--target", "count:units=log"), "must be the name of one column"),
        (("", ""), ("--target", ""), "must be the name of one column"),
    ],
)
def test_what_cannot_be_used_is_said_before_the_training(
    table: Path,
    capsys: pytest.CaptureFixture[str],
    change: tuple[str, str],
    words: tuple[object, ...],
    message: str,
) -> None:
    table.write_text(table.read_text().replace(*change, 1) if change[0] else table.read_text())
    try:
        assert design(table, *words) == 1
        said = capsys.readouterr().err
    except SystemExit:  # values that are no settings at all
        said = capsys.readouterr().err
    assert message in " ".join(said.replace("│", " ").split())
    assert not (table.parent / "out" / "model").exists()
