"""The page on listening tests: its study is one, its figures are those measured."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from clarion.listen.design import DESIGNS
from clarion.listen.simulation import ListenerModel
from clarion.listen.study import Claim, Study, read_study

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "listening.md").read_text()
RECORD = json.loads((ROOT / "benchmarks" / "results" / "listening.json").read_text())
FOUND, SETTINGS = RECORD["results"], RECORD["settings"]


def power_rows() -> str:
    rows = []
    for row in FOUND["power"]:
        names = ("above_0", "by_model", "estimated", "proved")
        cells = [f"{100 * row[name]['value']:.0f}" for name in names]
        size = f"{row['listeners']} | {row['items']} | {row['gain_percent']:g} %"
        rows.append(f"| {size} | {' | '.join(cells)} |")
    return "\n".join(rows)


def coverage_rows() -> str:
    rows = []
    for row in FOUND["coverage"]:
        cells = [f"{100 * row[name]['value']:.0f}" for name in ("bootstrap", "mixed_model")]
        rows.append(
            f"| {row['spread']} | {row['listeners']} | {row['items']} | {' | '.join(cells)} |"
        )
    return "\n".join(rows)


@pytest.mark.parametrize("rows", [power_rows, coverage_rows])
def test_the_figures_are_what_was_measured(rows) -> None:
    assert rows() in PAGE


def test_the_settings_are_those_it_states() -> None:
    assert FOUND["simulated"] is True
    assert f"{SETTINGS['studies']} simulated studies" in PAGE
    stated = ListenerModel(50.0, 10.0, 8.0, 4.0, 4.0, 12.0)
    assert stated == ListenerModel()
    assert ListenerModel(**SETTINGS["spreads"]["as in the power table"]) == stated


def test_its_study_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    (tmp_path / "STUDY.json").write_text(block)
    study = read_study(tmp_path / "STUDY.json")
    assert study.claim == Claim("ours", 20.0, "estimated")
    assert isinstance(study, Study)


def test_it_names_all_designs() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(DESIGNS)
