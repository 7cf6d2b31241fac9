"""What the page on sequences says of designs is what the benchmark measured."""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "sequences.md").read_text()
FOUND = json.loads((ROOT / "benchmarks" / "results" / "design.json").read_text())["results"]


def table() -> str:
    rows = ["| TFBind8 | best | 80th percentile | median |", "|---|---|---|---|"]
    names = {"summary": "`clarion design`", "random": "random sequences"}
    for key, name in names.items():
        cells = [
            f"{FOUND['tfbind8'][key][part]['mean']:.3f} ± "
            f"{FOUND['tfbind8'][key][part]['standard_error']:.3f}"
            for part in ("p100", "p80", "p50")
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def test_the_table_is_what_was_measured() -> None:
    assert table() in PAGE
    assert len(FOUND["tfbind8"]["seeds"]) == 8


def test_the_front_page_says_the_same() -> None:
    readme = (ROOT / "README.md").read_text().replace("\n", " ")
    ours, random = (FOUND["tfbind8"][key]["p50"] for key in ("summary", "random"))
    said = f"{ours['mean']:.3f} ± {ours['standard_error']:.3f} in the median of 128, random"
    assert f"{said} sequences {random['mean']:.3f}" in readme


def test_asking_for_more_than_0_7_hardly_pays() -> None:
    reached = {row["asked"]: row["p50"] for row in FOUND["tfbind8"]["curve"] if row["scale"] == 4.0}
    assert reached[0.7] - reached[0.4] > 0.3
    assert max(reached.values()) - reached[0.7] < 0.05
