"""Arrays measured by the command: numbers in closed form, features of one's own, and its errors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clarion.cli.main import main

N = 4000


def normal(mean: float, std: float, seed: int, n: int = N) -> np.ndarray:
    """Rows of shape (3, 2), as of trajectories."""
    return mean + std * np.random.default_rng(seed).standard_normal((n, 3, 2))


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("real.npz", normal(0, 1, 0))
    np.savez("drawn.npz", samples=normal(0.5, 2, 1), seed=np.array(0))


def measure(line: str) -> dict[str, Any]:
    command = f"evaluate arrays {line} --reference real.npz --out card.json --json"
    assert main(shlex.split(command)) == 0
    return json.loads(Path("card.json").read_text())


def test_the_frechet_distance_of_normal_rows_is_known() -> None:
    """Six numbers of mean 0.5 and deviation 2, to those of 0 and 1: 6 (0.5² + (2 - 1)²)."""
    metric = measure("drawn.npz")["metrics"]["frechet"]
    assert metric["low"] < 6 * (0.25 + 1) < metric["high"]
    assert metric["high"] - metric["low"] < 1


def test_the_same_rows_are_at_no_distance() -> None:
    np.savez("same.npz", normal(0, 1, 0))
    metrics = measure("same.npz")["metrics"]
    assert metrics["frechet"]["value"] < 1e-9
    assert (metrics["precision"]["value"], metrics["coverage"]["value"]) == (1, 1)
    np.savez("like.npz", normal(0, 1, 5))
    kernel = measure("like.npz")["metrics"]["kernel"]
    assert kernel["low"] < 0 < kernel["high"]


def test_features_of_ones_own() -> None:
    """Only of the mean of each row: deviation 2 / sqrt(6) to 1 / sqrt(6), and a shift of 0.5."""
    Path("own.py").write_text("def mean(x):\n    return x.flatten(1).mean(1, keepdim=True)\n")
    card = measure("drawn.npz --features own.py#mean --metrics frechet")
    metric = card["metrics"]["frechet"]
    assert metric["low"] < 0.25 + 1 / 6 < metric["high"]
    assert card["basis"]["features"] == "mean"


@pytest.mark.parametrize(
    ("arrays", "asked", "message"),
    [
        ({"a": normal(0, 1, 0)[:, :2]}, "", "of shape (2, 2), real.npz of shape (3, 2)"),
        ({"a": np.zeros(5)}, "", "must hold an array `samples` of numbers, (n, ...), or only one"),
        ({"a": np.zeros((5, 2)), "b": np.zeros((5, 2))}, "", "it holds: a float64(5, 2), b "),
        ({"a": np.array([["text"]])}, "", "it holds: a <U4(1, 1)"),
        ({"samples": normal(0, 1, 0, 19)}, "", "takes at least 20 samples"),
        ({"samples": np.full((30, 3, 2), np.nan)}, "", "row 0 has values that are not finite"),
        ({"samples": normal(0, 1, 0)}, "--metrics", "There is nothing to measure"),
        ({"samples": normal(0, 1, 0)}, "--features own.py#f", "There is no file own.py"),
    ],
)
def test_what_cannot_be_measured(
    arrays: dict[str, np.ndarray], asked: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez("bad.npz", **arrays)  # pyright: ignore[reportArgumentType]
    assert main(shlex.split(f"evaluate arrays bad.npz --reference real.npz {asked}")) == 1
    assert message in capsys.readouterr().err
