"""Designs as a table and as a picture."""

from __future__ import annotations

import csv
import io
from dataclasses import asdict
from typing import Any, TypeAlias

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from clarion.base.chart import COLOURS
from clarion.domains.sequence.design.foresight import Foresight
from clarion.domains.sequence.design.known import Known
from clarion.domains.sequence.design.search import Designs, Trial
from clarion.domains.sequence.distance import diversity

Nearest: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64]]
"""Of each design the distance to the nearest known sequence, and its number; see `nearest`."""


def to_csv(designs: Designs, known: Known, near: Nearest) -> str:
    """A row for each: predicted value, interval, the nearest known sequence and its distance.

    With a predictor of one's own, what it says stands in a last column, `said`.
    """
    far, places = near
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    head = ["sequence", "predicted", "low", "high", "distance", "nearest", "its_value"]
    writer.writerow(head if designs.said is None else [*head, "said"])
    for i, text in enumerate(designs.texts):
        numbers = (designs.predicted[i], designs.low[i], designs.high[i])
        place = int(places[i])
        writer.writerow(
            [
                text,
                *(f"{float(number):.5g}" for number in numbers),
                int(far[i]),
                known.texts[place],
                f"{float(known.values[place]):.5g}",
                *([] if designs.said is None else [f"{float(designs.said[i]):.5g}"]),
            ]
        )
    return stream.getvalue()


def summary(
    designs: Designs, known: Known, near: Nearest, foreseen: Foresight | None
) -> dict[str, Any]:
    """What was chosen, on what evidence, and what came out."""
    return {
        "num_designs": len(designs.texts),
        "asked": designs.setting.asked,
        "guidance_scale": designs.setting.scale,
        "strength": designs.setting.strength,
        "predicted_median": float(designs.predicted.median()),
        "known_median": float(known.values.median()),
        "known_best": [float(known.values.min()), float(known.values.max())],
        "diversity": diversity(designs.texts),
        "median_distance_to_known": float(np.median(near[0])),
        "foresight": None if foreseen is None else asdict(foreseen),
        "trials": [_flat(trial) for trial in designs.trials],
    }


def _flat(trial: Trial) -> dict[str, float]:
    told = asdict(trial)
    return told.pop("setting") | told


def picture(designs: Designs, known: Known, near: Nearest, target: str) -> Figure:
    """How designs compare with what is known; what each setting promised."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    values = known.values.numpy()
    bins = np.linspace(
        min(values.min(), float(designs.low.min())),
        max(values.max(), float(designs.high.max())),
        40,
    ).tolist()
    left.hist(values, bins, density=True, color=COLOURS[5], alpha=0.5, label="known, measured")
    left.hist(
        designs.predicted.numpy(), bins, density=True, color=COLOURS[0], alpha=0.7,
        label="designs, predicted",
    )  # fmt: skip
    left.set(title="Values", xlabel=target, ylabel="density")

    far = near[0]
    ends = np.stack([
        (designs.predicted - designs.low).clamp(min=0).numpy(),
        (designs.high - designs.predicted).clamp(min=0).numpy(),
    ])  # fmt: skip
    middle.errorbar(
        far + np.random.default_rng(0).uniform(-0.2, 0.2, len(far)),
        designs.predicted.numpy(), ends, fmt="o", markersize=3, linewidth=0.5, color=COLOURS[0],
    )  # fmt: skip
    middle.axhline(float(values.max()), color=COLOURS[5], linestyle=":", label="largest known")
    middle.set(title="Designs, predicted", xlabel="edits to the nearest known")
    middle.set_ylabel(f"{target}, predicted")

    tried = [trial for trial in designs.trials if trial.share_new]
    weakest = min(trial.setting.strength for trial in tried)
    plain = [trial for trial in tried if trial.setting.strength == weakest]
    series = {
        f"scale {scale:g}, asked for more": [t for t in plain if t.setting.scale == scale]
        for scale in sorted({trial.setting.scale for trial in plain})
    }
    series |= {"steered, more strongly": [trial for trial in tried if trial not in plain]}
    for (name, trials), colour in zip(series.items(), COLOURS, strict=False):
        x, y = [t.diversity for t in trials], [t.merit for t in trials]
        right.plot(x, y, "o-", color=colour, markersize=4, label=name)
    chosen = next(trial for trial in tried if trial.setting == designs.setting)
    right.plot(chosen.diversity, chosen.merit, "*", color="black", markersize=10, label="chosen")
    right.set(title="What was tried", xlabel="mean distance of two designs")
    right.set_ylabel(f"{target}, surely reached")
    for axes in (left, middle, right):
        axes.set_title(axes.get_title(), fontsize=11)
        below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.15), "ncols": 2}
        axes.legend(fontsize=8, frameon=False, **below)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    return figure
