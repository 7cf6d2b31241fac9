"""What a comparison found: a table, charts and pictures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.domains.image.arrays import read_npz
from clarion.domains.image.bench.bench import Row
from clarion.domains.image.drawing import save_labelled_grid
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
    write_json(out / "bench.json", to_json(rows, device))
    write_bytes(out / "bench.md", to_markdown(rows).encode())
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
    }


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


def to_markdown(rows: Sequence[Row]) -> str:
    """Two tables: how good the samples are, with half the 95 % intervals, and what was spent."""
    shown = [
        (name, title) for name, title in SHOWN if any(name in row.card.metrics for row in rows)
    ]
    found = [["", *(title for _, title in shown)]]
    found += [
        [_name(row), *(_cell(row.card.metrics.get(name)) for name, _ in shown)] for row in rows
    ]
    spent = [["", *SPENT]]
    spent += [[_name(row), *cells] for row in rows if (cells := _cost_cells(row))]
    n = next(iter(rows[0].card.metrics.values())).n
    basis = rows[0].card.basis
    words = (
        f"{n:,} samples each, held against {basis['reference n']:,} pictures of the training data; "
        f"features: {basis['extractor']}."
    )
    return f"{_table(found)}\n{words}\n\n{_table(spent)}"


def _name(row: Row) -> str:
    return f"{row.title}, {row.way}"


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = [f"| {' | '.join(cells)} |" for cells in rows]
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *others]) + "\n"


def _cost_cells(row: Row) -> list[str]:
    """What stands in the table of what was spent; nothing of real pictures."""
    if row.cost is None or row.sample_cost is None or row.run is None:
        return []
    return [
        f"`{row.guidance}`" if row.guidance else "none",
        f"{row.cost.weights / 1e6:.2f} M",
        _operations(row.cost.flops * row.num_steps),
        _time(training_seconds(row.run)),
        f"{row.sample_cost.evaluations:g}",
        _operations(row.sample_cost.flops),
        f"{row.sample_cost.seconds:.3g}",
    ]


def _operations(flops: float) -> str:
    unit, name = next((unit, name) for unit, name in UNITS if flops >= unit)
    return f"{flops / (unit or 1e6):.3g} {name}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _cell(metric: Metric | None) -> str:
    if metric is None:
        return ""
    value = f"{metric.value:.3g}"
    return value if _half(metric) is None else f"{value} ± {_half(metric):.2g}"


def _half(metric: Metric) -> float | None:
    """Half the width of the interval."""
    if metric.low is None or metric.high is None:
        return None
    return (metric.high - metric.low) / 2


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
    names, heading = list(map(_name, rows)), "the first of each class"
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
