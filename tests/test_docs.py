"""The pages say nothing that is not so: their code runs, their tables are those of the results."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from clarion.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    """Each `clarion ...` line in a block of shell, its continuations joined, comments cut."""
    blocks = [
        b for page in PAGES for b in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("#")[0] for line in lines if line.startswith("clarion ")]


def orders_table() -> str:
    """The table of measured orders, from what the benchmark wrote."""
    results = json.loads((ROOT / "benchmarks" / "results" / "orders.json").read_text())["results"]
    rows = ["| sampler | start | stated | measured |", "|---|---|---|---|"]
    for key, row in results.items():
        name, _, start = key.partition("/")
        low, high = min(row["observed"].values()), max(row["observed"].values())
        measured = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
        rows.append(f"| `{name}` | {start} | {row['stated']} | {measured} |")
    return "\n".join(rows)


def test_the_orders_are_those_that_were_measured() -> None:
    assert orders_table() in README


def test_measured_orders_agree_with_those_stated() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "orders.json").read_text())["results"]
    for row in results.values():
        assert list(row["observed"].values()) == pytest.approx([row["stated"]] * 5, abs=0.1)


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    with Image.open(tmp_path / "out" / "sneakers.png") as picture:
        assert picture.mode == "L"
        assert picture.getextrema()[1] > 100  # something is lit


@pytest.mark.parametrize("line", commands())
def test_each_command_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It gets as far as missing the data or the model, which the pages only suppose."""
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 1
    message = capsys.readouterr().err
    assert re.search(
        r"No folder or file 'photos/'|There is no folder|config.json is missing", message
    )


def test_what_it_points_to_exists() -> None:
    for path in re.findall(r"\]\(([^)]+)\)|`((?:docs|examples|benchmarks|src)/[^`]*)`", README):
        assert (ROOT / (path[0] or path[1])).exists(), path
