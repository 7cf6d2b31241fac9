"""The page on molecules: its example prints what it says, its numbers are those measured."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from clarion.cli.main import main
from clarion.domains.sequence.molecules.properties import PROPERTIES

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "molecules.md").read_text()
FOUND = json.loads((ROOT / "benchmarks" / "results" / "molecules.json").read_text())["results"]
NAMES = {"smiles": "SMILES", "selfies": "SELFIES"}
SHARE = "valid, unique and novel"


def share(metric: dict[str, Any]) -> str:
    return f"{100 * metric['value']:.1f} [{100 * metric['low']:.1f}, {100 * metric['high']:.1f}]"


def fcd(found: dict[str, Any]) -> str:
    return f"{found['value']:.2f} ({found['n']:,})"


def plain_table() -> str:
    rows = [
        "| | steps | valid, % | of these unique, % | of these novel, % | FCD (n) |",
        "|---|---|---|---|---|---|",
    ]
    for key, name in NAMES.items():
        for steps, found in FOUND["models"][key]["plain"].items():
            unique = f"{100 * found['unique']['value']:.1f}"
            cells = [share(found["valid"]), unique, share(found["novel"])]
            rows.append(f"| {name} | {steps} | {' | '.join(cells)} | {fcd(found['fcd'])} |")
    rows.append(f"| other real ones | | | | | {fcd(FOUND['data']['fcd'])} |")
    return "\n".join(rows)


def cell(row: dict[str, Any], what: str) -> str:
    """Mean of the novel ones, if there are any, and how many there are."""
    novel, number = f"{100 * row[SHARE]['value']:.0f} %", row.get(f"{what} of the novel")
    return f"{number['value']:.2f}, {novel}" if number else novel


def steered_table() -> str:
    rows = ["| towards | | no condition | 1 | 2 | 3 | 5 |", "|---|---|---|---|---|---|---|"]
    for what, title in {"qed": "QED", "rings": "rings"}.items():
        for key, name in NAMES.items():
            cells = [cell(row, what) for row in FOUND["models"][key]["steered"][what].values()]
            asked = f"{title} {FOUND['data']['asked'][what]:.2g}"
            rows.append(f"| {asked} | {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def particle_table() -> str:
    rows = ["| | valid, % | valid, unique and novel, % | mean QED of these |", "|---|---|---|---|"]
    for key, name in NAMES.items():
        found = FOUND["models"][key]["particles"]
        qed = found["qed of the novel"]
        mean = f"{qed['value']:.3f} [{qed['low']:.3f}, {qed['high']:.3f}]"
        rows.append(f"| {name} | {share(found['valid'])} | {share(found[SHARE])} | {mean} |")
    return "\n".join(rows)


def test_the_tables_are_what_was_measured() -> None:
    for table in (plain_table(), steered_table(), particle_table()):
        assert table in PAGE


def test_the_example_prints_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (csv,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    found = re.search(
        r"```sh\n(clarion evaluate [^\n]*)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL
    )
    assert found is not None
    command, printed = found.groups()
    (tmp_path / "drawn.csv").write_text(csv)
    (tmp_path / "known.csv").write_text("smiles\nCCO\nCCN\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    assert main(shlex.split(command)[1:]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == printed.splitlines()


def test_it_names_all_properties() -> None:
    assert [name for name in PROPERTIES if f"`{name}`" not in PAGE] == []


def test_what_it_says_of_the_data() -> None:
    data = FOUND["data"]
    assert f"{data['molecules']:,} molecules" in PAGE.replace("\n", " ")
    assert data["lost_in_selfies"] == 0


def test_what_it_says_of_steering() -> None:
    smiles, selfies = (FOUND["models"][name]["steered"] for name in NAMES)
    assert 0.55 < max(row["qed of the novel"]["value"] for row in smiles["qed"].values()) < 0.57
    assert 0.05 < smiles["rings"]["3"][SHARE]["value"] < 0.07
    for what in ("qed", "rings"):
        means = {
            scale: row[f"{what} of the novel"]["value"] for scale, row in selfies[what].items()
        }
        assert means["5"] < means["3"] < means["2"]
        assert min(row[SHARE]["value"] for row in selfies[what].values()) > 0.5
