"""`clarion evaluate likelihood`, from a short training to a card, and its errors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clarion.cli.main import main

TINY = "--batch-size 8 --num-steps 2 --validate-every 0 --precision float32 --json"
UNET = "--network.base-channels 4 --network.channel-multipliers 1 --network.attention-levels"
UNET += " --network.blocks-per-level 1"
TRANSFORMER = "--network.width 8 --network.num-blocks 1 --network.head-width 4"
FEW = "--n 24 --num-steps 4"


def run(line: str) -> int:
    return main(shlex.split(line))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (40, 4, 4, 1)).astype(np.uint8)
    np.savez("a.npz", images=pixels, labels=np.arange(40) % 2)
    np.savez("wide.npz", images=pixels.repeat(2, 2), labels=np.arange(40) % 2)
    rows = [f"{'AC' * (1 + i % 3)},left\n{'GT' * (1 + i % 3)},right" for i in range(20)]
    Path("a.csv").write_text("\n".join(["sequence,kind", *rows]) + "\n")
    return tmp_path


@pytest.fixture
def pictures(place: Path) -> None:
    assert run(f"train images --data a.npz {UNET} {TINY} --out pictures") == 0


@pytest.fixture
def sequences(place: Path) -> None:
    asked = f"--data a.csv --conditions kind=class {TRANSFORMER} {TINY}"
    assert run(f"train sequences {asked} --out sequences") == 0


def card(line: str) -> dict[str, Any]:
    assert run(f"evaluate likelihood {line} --out card.json --json") == 0
    return json.loads(Path("card.json").read_text())


@pytest.mark.usefixtures("pictures")
def test_of_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    found = card(f"pictures --data a.npz {FEW}")
    metric = found["metrics"]["bits a dimension"]
    assert metric["n"] == 24
    assert metric["low"] < metric["value"] < metric["high"]
    assert 6 < metric["value"] < 12  # of pixels that are all alike likely it would be 8
    assert "8-bit pixels, 4 steps, told label; of its error, " in metric["note"]
    assert found["basis"]["told"] == ["label"]
    again = card(f"pictures --data a.npz {FEW} --batch-size 5")["metrics"]["bits a dimension"]
    assert again["value"] == pytest.approx(metric["value"], rel=1e-5)
    # A saved model does not know its data, and is asked for those of its shape.
    Path("card.json").rename("first.json")
    assert card(f"pictures --data a.npz {FEW} --num-steps 5")["basis"] != found["basis"]
    capsys.readouterr()
    assert run("evaluate --compare first.json card.json") == 1
    assert "num_steps is 4 for the one and 5 for the other" in capsys.readouterr().err


@pytest.mark.usefixtures("sequences")
def test_of_sequences(capsys: pytest.CaptureFixture[str]) -> None:
    found = card("sequences --data a.csv --n 30 --passes 4")
    metric = found["metrics"]["bits a token"]
    assert metric["n"] == 30
    assert 0 < metric["low"] < metric["value"] < metric["high"] < 8
    assert metric["note"].startswith("at most, by 4 passes, told kind; of its error, ")
    assert found["basis"]["told"] == ["kind"]
    card("sequences --data a.csv --n 30 --passes 4")
    Path("card.json").rename("first.json")
    card("sequences --data a.csv --n 30 --passes 4")
    capsys.readouterr()
    assert run("evaluate --compare first.json card.json") == 0
    assert "sequences less sequences (paired)" in capsys.readouterr().out
    assert run("evaluate likelihood sequences --data a.csv --split test") == 1
    assert "split is for pictures, and sequences is of sequences" in capsys.readouterr().err


@pytest.mark.usefixtures("pictures")
@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ("nowhere --data a.npz", "There is no folder nowhere"),
        ("pictures --data none.npz", "none.npz"),
        ("pictures --data wide.npz", "have shape (1, 4, 8), the model's samples (1, 4, 4)"),
        ("pictures --data a.npz --n 5", "takes at least 20 samples"),
        ("pictures --data a.npz --probes 0", "probes must be at least 1, got 0"),
    ],
)
def test_what_cannot_be_measured(
    asked: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(f"evaluate likelihood {asked}") == 1
    assert message in capsys.readouterr().err
