"""The pages say nothing that is not so: their code runs, their tables are those of the results."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clarion.base.chart import Chart, Series
from clarion.cli.main import main
from clarion.lab import EXPERIMENTS, Experiment, Outcome
from clarion.verify import suite
from clarion.verify.finding import Finding
from clarion.verify.report import Report
from clarion.verify.targets import TARGETS

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text()
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def commands() -> list[str]:
    """Each `clarion ...` line in a block of shell, its continuations joined, comments cut."""
    blocks = [
        b for page in PAGES for b in re.findall(r"```sh\n(.*?)```", page.read_text(), re.DOTALL)
    ]
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s#.*", "", line) for line in lines if line.startswith("clarion ")]


def results(name: str) -> dict[str, Any]:
    """What a benchmark found."""
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())["results"]


def orders_table() -> str:
    """The measured orders: the smallest and the largest over the five processes."""
    rows = ["| sampler | start | stated | measured |", "|---|---|---|---|"]
    for key, row in results("orders").items():
        name, _, start = key.partition("/")
        low, high = min(row["observed"].values()), max(row["observed"].values())
        measured = f"{low:.2f}" if f"{low:.2f}" == f"{high:.2f}" else f"{low:.2f} to {high:.2f}"
        rows.append(f"| `{name}` | {start} | {row['stated']} | {measured} |")
    return "\n".join(rows)


def overhead_table() -> str:
    """Microseconds a step around a network that costs nothing."""
    found = results("sampler_overhead")
    rows = [
        "| µs a step | Clarion, 1 | diffusers, 1 | Clarion, 64 | diffusers, 64 |",
        "|---|---|---|---|---|",
    ]
    for method, row in found["batch_1"].items():
        cells = [
            f"{part[library]['per_step_us']['median']:.1f}"
            for part in (row, found["batch_64"][method])
            for library in ("clarion", "diffusers")
        ]
        rows.append(f"| {method} | {' | '.join(cells)} |")
    return "\n".join(rows)


def equal_error_table() -> str:
    """Evaluations at which Clarion's defaults reach the error of others."""
    found = results("sampling")["at_equal_error"]["evaluations_that_reach_the_error_of"]
    rows = [
        "| to reach the error of | 10 steps | 20 steps | 30 steps | 50 steps |",
        "|---|---|---|---|---|",
    ]
    for other, by_steps in found.items():
        cells = []
        for row in by_steps.values():
            reached = row["clarion, dpmpp_2m, trailing (defaults)"]
            cells.append(f"{reached['median']:.1f} [{reached['low']:.1f}, {reached['high']:.1f}]")
        rows.append(f"| {other} | {' | '.join(cells)} |")
    return "\n".join(rows)


@pytest.mark.parametrize("table", [orders_table, overhead_table, equal_error_table])
def test_its_tables_are_what_was_measured(table: Callable[[], str]) -> None:
    assert table() in README


def test_measured_orders_agree_with_those_stated() -> None:
    for row in results("orders").values():
        assert list(row["observed"].values()) == pytest.approx([row["stated"]] * 5, abs=0.1)


def test_its_python_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    (tmp_path / "models").symlink_to(ROOT / "models")
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    with Image.open(tmp_path / "out" / "sneakers.png") as picture:
        assert picture.mode == "L"
        assert picture.getextrema()[1] > 100  # something is lit


def needs_nothing(line: str) -> bool:
    """Whether a command runs by itself, without the data and models that the pages suppose."""
    return line.split()[1] in ("verify", "lab")


@pytest.mark.parametrize("line", [line for line in commands() if needs_nothing(line)])
def test_each_examination_has_a_subject(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What they find is tested elsewhere; here they shall only know what they are asked."""
    asked = []
    finding = Finding("it", "property", 0.0)

    def report(kind: str, name: str) -> Report:
        asked.append(name)
        return Report(name, [finding])

    def outcome(self: Experiment) -> Outcome:
        asked.append(self.title)
        return Outcome([finding], Chart("title", "x", "y", [Series("y", [1], [1])]))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(suite, "_report", report)
    for experiment in EXPERIMENTS.values():
        monkeypatch.setattr(experiment, "run", outcome)
    assert main(shlex.split(line)[1:]) == 0
    assert asked or line.split()[2] == "list"


def test_the_page_of_the_lab_is_what_the_lab_says() -> None:
    page = (ROOT / "docs" / "lab.md").read_text()
    assert "FAILED" not in page
    for name, experiment in EXPERIMENTS.items():
        assert f"## {experiment.title}\n\n**Prediction.** {experiment.prediction}" in page
        assert experiment.reading in page
        assert f"{experiment.source} Run it by `clarion lab {name}`." in page


def test_the_page_of_verify_names_all_targets() -> None:
    page = (ROOT / "docs" / "verify.md").read_text()
    assert [name for name in TARGETS if f"`{name}`" not in page] == []


@pytest.mark.parametrize("line", [line for line in commands() if not needs_nothing(line)])
def test_each_command_is_understood(
    line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It gets as far as missing the data or the model, which the pages only suppose."""
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(line)[1:]) == 1
    message = capsys.readouterr().err
    assert re.search(r"No folder or file '|There is no (folder|file)|\.json is missing", message)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_it_points_to_exists(page: Path) -> None:
    text = page.read_text()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)[^)]*\)", text):
        assert (page.parent / link).exists(), link
    for path in re.findall(r"`((?:docs|examples|benchmarks|src)/[^`*]*)`", text):
        assert (ROOT / path).exists(), path
