"""What a comparison found: a table, charts and pictures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.domains.image.arrays import read_npz
from clarion.domains.image.bench.bench import Row
from clarion.domains.image.drawing import save_labelled_grid
from clarion.evaluate.compare import compare
from clarion.evaluate.metric import Metric
from clarion.evaluate.versions import versions
from clarion.run.files import write_bytes, write_json

SHOWN = (
    ("fid", "FID"),
    ("frechet", "Fréchet"),
    ("kid", "KID"),
    ("kernel", "kernel"),
    ("precision", "precision"),
    ("recall", "recall"),
    ("named as asked", "as asked"),
    ("diversity within a class", "diversity"),
)
"""Name of a number on a card -> what stands above its column; what no card has is left out."""

SPENT = (
    *("guidance", "weights", "training", "its time"),
    *("a sample: evaluations", "operations", "seconds"),
)

UNITS = ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (0, "MFLOP"))

DISTANCES = {"fid": "FID", "frechet": "Fréchet distance"}
MOST_CLASSES = 10


def write_report(rows: Sequence[Row], out: Path, device: str) -> list[Path]:
    """Write bench.json, bench.md, samples.png, and charts if there are distances to draw."""
    found = to_json(rows, device)
    write_json(out / "bench.json", found)
    write_bytes(out / "bench.md", to_markdown(found).encode())
    files = [out / "bench.json", out / "bench.md"]
    for name, label, value in (
        ("evaluations", "network evaluations a sample", lambda cost: cost.evaluations),
        ("seconds", "seconds a sample", lambda cost: cost.seconds),
    ):
        chart = _chart(rows, label, value)
        write_bytes(out / f"{name}.png", chart.png())
        files.append(out / f"{name}.png")
    return [*files, _samples(rows, out / "samples.png")]


def to_json(rows: Sequence[Row], device: str) -> dict[str, Any]:
    """All that was found, as plain types."""
    return {
        "device": device,
        "versions": versions(),
        "basis": dict(rows[0].card.basis),
        "rows": [_row_json(row) for row in rows],
        "gains": _gains([row for row in rows if row.cost is not None]),
    }


def _gains(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The first model, sampled the first way, less each other model: all numbers, paired."""
    first, *others = rows
    return [
        {"model": other.title, "sampling": other.way, "metrics": found["differences"]}
        for other in others
        if other.title != first.title
        for found in [compare(other.card, first.card, is_paired=True).to_json()]
    ]


def _row_json(row: Row) -> dict[str, Any]:
    content: dict[str, Any] = {"model": row.title, "sampling": row.way}
    if row.cost is not None and row.sample_cost is not None and row.run is not None:
        content |= {
            "guidance": row.guidance,
            "weights": row.cost.weights,
            "training_steps": row.num_steps,
            "training_flops": row.cost.flops * row.num_steps,
            "training_seconds": training_seconds(row.run),
            "evaluations_a_sample": row.sample_cost.evaluations,
            "flops_a_sample": row.sample_cost.flops,
            "seconds_a_sample": row.sample_cost.seconds,
        }
    metrics = row.card.to_json()["metrics"]
    return content | {
        "metrics": {
            name: {key: metric[key] for key in ("value", "n", "low", "high", "note")}
            for name, metric in metrics.items()
        }
    }


def training_seconds(run: Path) -> float:
    """Time of the steps of a training, as its log has it; what lies between them is left out."""
    config = json.loads((run / "config.json").read_text())
    spent, before = 0.0, 0
    for line in (run / "log.jsonl").read_text().splitlines():
        report = json.loads(line)
        if "examples_per_s" in report:
            steps = report["step"] - before
            if steps > 0:  # a training that went on from a checkpoint reports some steps again
                spent += steps * config["train"]["batch_size"] / report["examples_per_s"]
                before = report["step"]
    return spent


def to_markdown(found: Mapping[str, Any]) -> str:
    """Three tables: how good samples are, with half the 95 % intervals; by how much the first model
    is ahead of the others; and what was spent.

    Args:
        found: what `to_json` gives.
    """
    rows, basis = found["rows"], found["basis"]
    shown = [(name, title) for name, title in SHOWN if any(name in r["metrics"] for r in rows)]
    good = [["", *(title for _, title in shown)]]
    good += [[_name(r), *(_cell(r["metrics"].get(name)) for name, _ in shown)] for r in rows]
    spent = [["", *SPENT], *([_name(r), *_cost_cells(r)] for r in rows if "weights" in r)]
    n = next(iter(rows[0]["metrics"].values()))["n"]
    words = (
        f"{n:,} samples each, held against {basis['reference n']:,} pictures of the training data; "
        f"features: {basis['extractor']}."
    )
    first = next(row for row in rows if "weights" in row)
    name = next(name for name in DISTANCES if name in first["metrics"])
    ahead = [[f"{_name(first)}, less", f"{DISTANCES[name]}, in %", "p"]]
    ahead += [[_name(gain), *_gain_cells(gain["metrics"][name])] for gain in found["gains"]]
    return f"{_table(good)}\n{words}\n\n{_table(ahead)}\n{_table(spent)}"


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['model']}, {row['sampling']}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *others]) + "\n"


def _cost_cells(row: Mapping[str, Any]) -> list[str]:
    """What stands in the table of what was spent."""
    return [
        f"`{row['guidance']}`" if row["guidance"] else "none",
        f"{row['weights'] / 1e6:.2f} M",
        _operations(row["training_flops"]),
        _time(row["training_seconds"]),
        f"{row['evaluations_a_sample']:g}",
        _operations(row["flops_a_sample"]),
        f"{row['seconds_a_sample']:.3g}",
    ]


def _operations(flops: float) -> str:
    unit, name = next((unit, name) for unit, name in UNITS if flops >= unit)
    return f"{flops / (unit or 1e6):.3g} {name}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _cell(metric: Mapping[str, Any] | None) -> str:
    if metric is None:
        return ""
    value = f"{metric['value']:.3g}"
    if metric["low"] is None or metric["high"] is None:
        return value
    return f"{value} ± {(metric['high'] - metric['low']) / 2:.2g}"


def _gain_cells(difference: Mapping[str, Any]) -> tuple[str, str]:
    """A difference with its interval, in % of what is taken away, and its p-value."""
    whole, low, high = difference["first"], difference["low"], difference["high"]
    value = f"{100 * difference['value'] / whole:+.1f}"
    if low is None:
        return value, ""
    interval = f"[{100 * low / whole:+.1f}, {100 * high / whole:+.1f}]"
    return f"{value} {interval}", f"{difference['p']:.1g}"


def _reach(metric: Metric) -> tuple[float, float]:
    """How far the interval goes below and above."""
    low = metric.value if metric.low is None else metric.low
    high = metric.value if metric.high is None else metric.high
    return metric.value - low, high - metric.value


def _chart(rows: Sequence[Row], label: str, value: Any) -> Chart:
    """Distance against cost, a colour for each model."""
    name = next(name for name in DISTANCES if name in rows[0].card.metrics)
    by_model: dict[str, list[Row]] = {}
    for row in rows:
        if row.sample_cost is not None:
            by_model.setdefault(row.title, []).append(row)
    series = []
    for hue, (model, ways) in enumerate(by_model.items()):
        metrics = [row.card.metrics[name] for row in ways]
        series.append(
            Series(
                model,
                [value(row.sample_cost) for row in ways],
                [metric.value for metric in metrics],
                hue=hue,
                error=[_reach(metric) for metric in metrics],
            )
        )
    return Chart(
        "Lower and further left is better",
        label,
        DISTANCES[name],
        series,
        log_x=True,
        log_y=True,
        legend_below=True,
    )


def _samples(rows: Sequence[Row], path: Path) -> Path:
    """A sample of each of up to ten classes from each row, the first that there is."""
    pictures = [_pictures(row.samples) for row in rows]
    wanted: list[int | None] = [None] * MOST_CLASSES
    labels = [known for _, known in pictures]
    if all(known is not None for known in labels):
        shared = set.intersection(*(set(known.tolist()) for known in labels if known is not None))
        wanted = list(sorted(shared)[:MOST_CLASSES])
    images = torch.stack(
        [
            torch.stack([_first(found, known, label, i) for i, label in enumerate(wanted)])
            for found, known in pictures
        ]
    )
    names, heading = [f"{row.title}, {row.way}" for row in rows], "the first of each class"
    return save_labelled_grid(images[:, None], path, row_labels=names, group_headings=[heading])


def _first(images: Tensor, labels: Tensor | None, label: int | None, number: int) -> Tensor:
    """The first picture of a class; without classes the one of a number."""
    if labels is None or label is None:
        return images[number]
    return images[int((labels == label).nonzero()[0])]


def _pictures(path: Path) -> tuple[Tensor, Tensor | None]:
    """Pictures in [0, 1] (n, channels, height, width), and their classes if there are any."""
    arrays = read_npz(path)
    labels = arrays.get("labels", arrays.get("condition_label"))
    known = None if labels is None else torch.from_numpy(labels.astype(np.int64))
    if "images" in arrays:
        return torch.from_numpy(arrays["images"]).permute(0, 3, 1, 2) / 255, known
    return torch.from_numpy(arrays["samples"]), known
