"""The page on sequences: its table is one, and what is said of it is what is printed."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from clarion.cli.main import main
from clarion.domains.sequence.alphabets import ALPHABETS
from clarion.domains.sequence.sources import KNOWN_ENDINGS

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "sequences.md").read_text()


def test_the_table_of_the_page_is_read_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (csv,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    found = re.search(r"```sh\n(clarion inspect [^\n]*)\n```\n\n```text\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    command, printed = found.groups()
    (tmp_path / "molecules.csv").write_text(csv)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(shlex.split(command)[1:]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    assert lines == printed.splitlines()


def test_it_names_all_alphabets_and_endings() -> None:
    assert [name for name in ALPHABETS if f"| `{name}` |" not in PAGE] == []
    assert [ending for ending in KNOWN_ENDINGS if f"`{ending}`" not in PAGE] == []


def test_the_table_of_speeds_is_what_was_measured() -> None:
    path = ROOT / "benchmarks" / "results" / "token_sampling.json"
    for name, row in json.loads(path.read_text())["results"].items():
        ratios = [row[f"{key}_relative_to_plain"] for key in ("clarion", "clarion_unchanged_saved")]
        cells = [f"{r['median']:.2f} [{r['low']:.2f}, {r['high']:.2f}]" for r in ratios]
        evaluations = row["evaluations_per_sample"]["clarion_unchanged_saved"]
        length = name.removeprefix("length ")
        assert f"| {length} | {cells[0]} | {cells[1]} | {evaluations:.1f} |" in PAGE
