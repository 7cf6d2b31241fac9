"""Numbers that say how good samples are, each with what it was taken on and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table
from rich.text import Text

from clarion.base.errors import ClarionError
from clarion.run.files import read_json

Z = 1.959964
"""Quantile of the standard normal that leaves 2.5 % above it."""


@dataclass(frozen=True)
class Metric:
    """One number.

    Args:
        value: what was measured.
        n: number of samples it was taken on; numbers of different n are not compared.
        low: lower end of its 95 % interval; None where there is none to state.
        high: upper end.
        note: what else must be known to read it.
        parts: what groups of samples give, each by itself, of which the value is the mean or nearly
            so: by them two runs are compared. Empty where the number is not made of such.
    """

    value: float
    n: int
    low: float | None = None
    high: float | None = None
    note: str = ""
    parts: tuple[float, ...] = ()

    def interval(self) -> str:
        """The interval in brackets, to four digits."""
        if self.low is None or self.high is None:
            return ""
        return f"[{self.low:.4g}, {self.high:.4g}]"


def share(count: int, n: int, note: str = "") -> Metric:
    """A share count / n, with the interval of Wilson 1927, doi 10.1080/01621459.1927.10502953.

    Raises:
        ClarionError: if there is nothing of which it could be a share.

    Example:
        >>> share(9, 10).interval()
        '[0.5958, 0.9821]'
    """
    if n < 1 or not 0 <= count <= n:
        raise ClarionError(f"A share must be of at least 1, got {count} of {n}.")
    value, z2 = count / n, Z**2 / n
    middle, half = value + z2 / 2, Z * math.sqrt(value * (1 - value) / n + z2 / (4 * n))
    low, high = (middle - half) / (1 + z2), (middle + half) / (1 + z2)
    return Metric(value, n, low if count else 0.0, high if count < n else 1.0, note)


def mean(values: Sequence[float], note: str = "") -> Metric:
    """A mean, with its normal interval; of one value there is none.

    Raises:
        ClarionError: if there are no values.
    """
    n = len(values)
    if not n:
        raise ClarionError("A mean must be of at least 1 value, got 0.")
    value = float(np.mean(values))
    if n == 1:
        return Metric(value, n, note=note)
    half = Z * float(np.std(values, ddof=1)) / math.sqrt(n)
    return Metric(value, n, value - half, value + half, note)


@dataclass(frozen=True)
class MetricCard:
    """All that was measured of some samples; `rich` can print it, and JSON can hold it.

    Args:
        title: of what.
        metrics: name -> number.
        basis: how it was measured; cards of different bases are not compared.
        details: what else is to be kept: versions, and what was found besides numbers.
    """

    title: str
    metrics: Mapping[str, Metric]
    basis: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The card as plain types."""
        return {
            "title": self.title,
            "metrics": {name: asdict(metric) for name, metric in self.metrics.items()},
            "basis": dict(self.basis),
            "details": dict(self.details),
        }

    @staticmethod
    def read(path: Path) -> MetricCard:
        """The card that was written to a file.

        Raises:
            ClarionError: if there is none, or it holds something else.
        """
        content = read_json(path)
        try:
            metrics = {
                name: Metric(**row | {"parts": tuple(row["parts"])})
                for name, row in content["metrics"].items()
            }
            return MetricCard(content["title"], metrics, content["basis"], content["details"])
        except (TypeError, KeyError, AttributeError) as error:
            raise ClarionError(f"{path} is no card of `clarion evaluate`: {error}.") from None

    def __rich__(self) -> Table:
        table = Table(title=Text(self.title), title_justify="left", box=None, pad_edge=False)
        for name in ("", "value", "95 % interval", "n"):
            table.add_column(name, justify="right" if name else "left", no_wrap=True)
        table.add_column("")
        for name, metric in self.metrics.items():
            n = f"{metric.n:,}"
            table.add_row(
                name, f"{metric.value:.4g}", Text(metric.interval()), n, Text(metric.note)
            )
        return table
