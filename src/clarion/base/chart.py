"""Charts: what was measured, what was predicted, and what is proven, drawn alike everywhere."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal, TypeAlias

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

Role: TypeAlias = Literal["measured", "predicted", "bound"]

COLOURS = ("#2a6f97", "#d1495b", "#3a7d44", "#8d5a97", "#c98a1b", "#555555")
"""One a hue, legible on white and told apart by most colour-blind readers."""

STYLES: dict[Role, dict[str, Any]] = {
    "measured": {"marker": "o", "markersize": 4, "linestyle": "none"},
    "predicted": {"linestyle": "-", "linewidth": 1.5},
    "bound": {"linestyle": "--", "linewidth": 1.2},
}


MAX_TICKS = 9

LEAST_GAP = 0.08
"""Between two ticks with their numbers, as a share of the axis."""


@dataclass(frozen=True)
class Series:
    """One row of points: measured (dots), predicted (a line) or a bound (a dashed line).

    Args:
        label: its words in the legend; "" for none.
        x: numbers; or words, and then every series of the chart is drawn as bars.
        y: as many numbers.
        role: how it is drawn.
        hue: number of its colour; what belongs together has the same.
        error: half the width of an interval round each y, or how far it goes (below, above) each;
            None where there is none to show.
    """

    label: str
    x: Sequence[float] | Sequence[str]
    y: Sequence[float]
    role: Role = "measured"
    hue: int = 0
    error: Sequence[float] | Sequence[tuple[float, float]] | None = None

    def __post_init__(self) -> None:
        sizes = {len(self.x), len(self.y), len(self.y if self.error is None else self.error)}
        if len(sizes) > 1:
            raise ValueError(f"{self.label!r} must have as many x as y and errors, got {sizes}.")

    @property
    def spread(self) -> NDArray[np.float64] | None:
        """The errors, (points,) or (2, points), below and above."""
        return None if self.error is None else np.transpose(np.asarray(self.error, np.float64))


@dataclass(frozen=True)
class Chart:
    """One picture of several series over the same axes.

    Args:
        title: what is seen.
        x_label: with its unit.
        y_label: with its unit.
        series: what is drawn.
        log_x: whether the x axis is logarithmic.
        log_y: whether the y axis is logarithmic.
        legend_below: whether the legend stands below the axes, for want of room within.
    """

    title: str
    x_label: str
    y_label: str
    series: Sequence[Series]
    log_x: bool = False
    log_y: bool = False
    legend_below: bool = False

    def png(self) -> bytes:
        """The picture as a PNG file."""
        file = io.BytesIO()
        self.draw().savefig(file, format="png", dpi=110)
        return file.getvalue()

    def draw(self) -> Figure:
        """The picture, to be changed or saved by its own methods."""
        figure = Figure(figsize=(6.0, 3.8), layout="constrained")
        axes = figure.add_subplot()
        if any(isinstance(x, str) for series in self.series for x in series.x):
            self._draw_bars(axes)
        else:
            for series in self.series:
                _draw_points(axes, series)
        if self.log_x:
            axes.set_xscale("log")
            at = sorted({float(x) for series in self.series for x in series.x})
            if are_apart(at):  # powers of ten alone say little of 16, 32, 64
                axes.set_xticks(at, [f"{x:g}" for x in at])
                axes.minorticks_off()
        if self.log_y:
            axes.set_yscale("log")
        axes.set_title(self.title, fontsize=11, loc="left")
        axes.set_xlabel(self.x_label)
        axes.set_ylabel(self.y_label)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
        if any(series.label for series in self.series):
            if self.legend_below:
                figure.legend(fontsize=8, frameon=False, loc="outside lower center", ncols=2)
            else:
                axes.legend(fontsize=8, frameon=False)
        return figure

    def _draw_bars(self, axes: Axes) -> None:
        words = list(dict.fromkeys(str(x) for series in self.series for x in series.x))
        width = 0.8 / len(self.series)
        for number, series in enumerate(self.series):
            shift = (number - (len(self.series) - 1) / 2) * width
            axes.bar(
                [words.index(str(x)) + shift for x in series.x],
                series.y,
                width,
                yerr=series.spread,
                label=series.label,
                color=COLOURS[series.hue % len(COLOURS)],
                alpha=1.0 if series.role == "measured" else 0.45,
            )
        axes.set_xticks(range(len(words)), words, rotation=30 if len(words) > 6 else 0)


def are_apart(at: Sequence[float]) -> bool:
    """Whether numbers, rising, are few and lie far enough apart to stand below a logarithmic axis.

    Example:
        >>> are_apart([16, 32, 64, 256]), are_apart([16, 199, 201])
        (True, False)
    """
    if not at or at[0] <= 0:
        return False
    places = [math.log(x) for x in at]
    gaps = [b - a for a, b in pairwise(places)]
    return len(at) <= MAX_TICKS and min(gaps, default=1.0) >= LEAST_GAP * (places[-1] - places[0])


def _draw_points(axes: Axes, series: Series) -> None:
    colour = COLOURS[series.hue % len(COLOURS)]
    style = STYLES[series.role]
    x = [float(value) for value in series.x]
    if series.error is None:
        axes.plot(x, series.y, label=series.label, color=colour, **style)
    else:
        axes.errorbar(
            x, series.y, series.spread, label=series.label, color=colour, capsize=2, **style
        )
