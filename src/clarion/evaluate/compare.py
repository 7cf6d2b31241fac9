"""Two cards held against each other: by how much they differ, and whether by chance.

What groups of samples give (`Metric.parts`) is compared: by Student's paired t where the samples of
both were drawn from the same random numbers and dealt into the same groups, else by Welch's.

Source: Welch 1947, doi 10.1093/biomet/34.1-2.28.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from clarion.base.errors import ClarionError
from clarion.evaluate.jackknife import effective_degrees, half_width, variance_of_mean
from clarion.evaluate.metric import Metric, MetricCard
from clarion.evaluate.student import two_sided_p

SHARED = "samples drawn by"
"""The entry of a card's details that says which random numbers its samples came from."""


@dataclass(frozen=True)
class Difference:
    """The second number less the first.

    Args:
        first: of the first card.
        second: of the second.
        low: lower end of the 95 % interval of second - first; None where the cards do not hold
            what is needed.
        high: upper end.
        p: two-sided, of no difference.
    """

    first: float
    second: float
    low: float | None = None
    high: float | None = None
    p: float | None = None

    @property
    def value(self) -> float:
        return self.second - self.first


@dataclass(frozen=True)
class Comparison:
    """All metrics that both cards have.

    Args:
        titles: of the cards.
        is_paired: whether groups are compared one by one.
        differences: name -> difference.
    """

    titles: tuple[str, str]
    is_paired: bool
    differences: dict[str, Difference]

    def to_json(self) -> dict[str, Any]:
        """As plain types."""
        rows = {k: {"value": d.value} | asdict(d) for k, d in self.differences.items()}
        return {"titles": self.titles, "is_paired": self.is_paired, "differences": rows}

    def __rich__(self) -> Table:
        words = "paired" if self.is_paired else "not paired"
        title = Text(f"{self.titles[1]} less {self.titles[0]} ({words})")
        table = Table(title=title, title_justify="left", box=None, pad_edge=False)
        for name in ("", "first", "second", "difference", "95 % interval", "p"):
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        for name, d in self.differences.items():
            interval = "" if d.low is None else f"[{d.low:.4g}, {d.high:.4g}]"
            p = "" if d.p is None else f"{d.p:.2g}"
            numbers = [f"{value:.4g}" for value in (d.first, d.second, d.value)]
            table.add_row(name, *numbers, Text(interval), p)
        return table


def compare(first: MetricCard, second: MetricCard, is_paired: bool = False) -> Comparison:
    """The second card less the first.

    Args:
        first: a card.
        second: another, of the same basis.
        is_paired: say that both drew sample i from the same random numbers, where the cards
            themselves do not.

    Raises:
        ClarionError: if the cards are not alike, or have nothing in common.
    """
    for name in sorted({*first.basis, *second.basis}):
        a, b = first.basis.get(name), second.basis.get(name)
        if a != b:
            raise ClarionError(
                f"{first.title} and {second.title} cannot be compared: {name} is {a!r} for the one "
                f"and {b!r} for the other."
            )
    common = [name for name in first.metrics if name in second.metrics]
    if not common:
        raise ClarionError(f"{first.title} and {second.title} have no metric in common.")
    drawn = first.details.get(SHARED)
    is_paired = is_paired or (drawn is not None and drawn == second.details.get(SHARED))
    differences = {}
    for name in common:
        a, b = first.metrics[name], second.metrics[name]
        if a.n != b.n:
            raise ClarionError(
                f"{name} was taken on {a.n:,} of {first.title} and {b.n:,} of {second.title}: "
                "numbers of different n are not compared."
            )
        differences[name] = _difference(a, b, is_paired)
    return Comparison((first.title, second.title), is_paired, differences)


def _difference(a: Metric, b: Metric, is_paired: bool) -> Difference:
    if not a.parts or len(a.parts) != len(b.parts):
        return Difference(a.value, b.value)
    if is_paired:
        variances = [variance_of_mean(np.subtract(b.parts, a.parts).tolist())]
    else:
        variances = [variance_of_mean(a.parts), variance_of_mean(b.parts)]
    degrees = [len(a.parts) - 1] * len(variances)
    value, total = b.value - a.value, sum(variances)
    if not total:  # groups that are all alike say nothing of chance
        return Difference(a.value, b.value)
    half = half_width(variances, degrees)
    p = two_sided_p(value / math.sqrt(total), effective_degrees(variances, degrees))
    return Difference(a.value, b.value, value - half, value + half, p)
