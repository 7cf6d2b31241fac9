"""`clarion verify`: hold samplers, processes and guidance rules against known answers.

Without names everything is examined. A name is that of a sampler, a process, a grid, a prediction
type or a guidance rule; a kind of them (`sampler`); or both, as in `sampler/edm`.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import tyro
from rich.console import Console

from clarion.base.version import VERSION
from clarion.cli.threads import one_thread
from clarion.verify.page import Page, Section, place
from clarion.verify.report import Report
from clarion.verify.suite import examine, subjects


@dataclass(frozen=True)
class Options:
    """What to examine.

    Args:
        names: what to examine; nothing for everything.
        json: print JSON, every finding with its value and its window.
        out: write a report with charts: a folder, or a file ending in .html or .md.
        list: name what can be examined, and stop.
    """

    names: tyro.conf.Positional[tuple[str, ...]] = ()
    json: bool = False
    out: Path | None = None
    list: bool = False


def main(arguments: list[str]) -> int:
    """Examine, print, write; returns 1 if a property does not hold."""
    options = tyro.cli(Options, args=arguments, prog="clarion verify", description=__doc__)
    asked = subjects(options.names)
    if options.list:
        print("\n".join(f"{kind}/{name}" for kind, name in asked))
        return 0
    if options.out is not None:
        place(options.out)
    with one_thread():
        reports = _examine(options, asked)
    passed = all(report.passed for report in reports)
    if options.json:
        content = {"clarion": VERSION, "passed": passed}
        print(json.dumps(content | {"reports": [report.to_json() for report in reports]}, indent=1))
    if options.out is not None:
        written = page(reports).write(options.out)
        Console(stderr=options.json).print(f"Report: {written}", highlight=False)
    return 0 if passed else 1


def page(reports: list[Report]) -> Page:
    """The report of one page: a summary, then each subject with its charts and findings."""
    rows = ["| | properties | that fail |", "|---|---|---|"]
    rows += [f"| {r.title} | {len(r.findings)} | {len(r.failures) or ''} |" for r in reports]
    text = (
        f"Clarion {VERSION}, held against known answers. {_verdict(reports)} A value in multiples "
        "of the noise floor is 1 where samples are as good as exact ones of the same number."
    )
    sections = [Section("Summary", "\n".join(rows)), *(report.section() for report in reports)]
    return Page("Verification", text, sections)


def _examine(options: Options, asked: list[tuple[str, str]]) -> list[Report]:
    """Examine one subject after the other, and say what was found as soon as it is."""
    console = Console(quiet=options.json, highlight=False, soft_wrap=True)
    reports = []
    start = last = time.perf_counter()
    for (kind, name), report in zip(asked, examine(options.names), strict=True):
        reports.append(report)
        now = time.perf_counter()
        mark = "[green]ok    [/]" if report.passed else "[red]FAILED[/]"
        held = f"{len(report.findings) - len(report.failures)} of {len(report.findings)}"
        console.print(f"{mark}  {f'{kind}/{name}':<34} {held:>10} hold  {now - last:5.1f} s")
        for failure in report.failures:
            console.print(f"        {failure}", markup=False)
        last = now
    console.print(f"{_verdict(reports)} {last - start:.0f} s.")
    return reports


def _verdict(reports: list[Report]) -> str:
    findings = sum(len(report.findings) for report in reports)
    failures = sum(len(report.failures) for report in reports)
    return f"{findings - failures:,} of {findings:,} properties hold."
