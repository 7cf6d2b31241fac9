"""The page on sequences: its table is one, and what is said of it is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from clarion.cli.main import main
from clarion.domains.sequence.alphabets import ALPHABETS
from clarion.domains.sequence.sources import KNOWN_ENDINGS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "sequences.md").read_text()


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
