"""How far two lists of numbers agree on an order."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from clarion.base.errors import ClarionError
from clarion.evaluate.metric import Metric, Z


def rank_correlation(a: ArrayLike, b: ArrayLike, note: str = "") -> Metric:
    """Spearman's correlation: that of the ranks, from -1 (reversed) over 0 (chance) to 1.

    Its interval is normal in artanh(value), with deviation sqrt((1 + value² / 2) / (n - 3)).

    Args:
        a: (n,).
        b: (n,).
        note: what else must be known.

    Raises:
        ClarionError: for fewer than four, or where one list holds a single number only.

    Source: Bonett & Wright 2000, doi 10.1007/BF02294183 (the interval).

    Example:
        >>> round(rank_correlation([1, 2, 3, 4, 5], [1, 4, 9, 25, 16]).value, 12)
        0.9
    """
    first, second = ranks(a), ranks(b)
    n = len(first)
    if n < 4 or len(second) != n:
        raise ClarionError(
            f"A rank correlation is of two lists of the same 4 or more, got {n} and {len(second)}."
        )
    x, y = first - first.mean(), second - second.mean()
    size = math.sqrt(float(x @ x) * float(y @ y))
    if not size:
        raise ClarionError("A list that holds a single number only has no order.")
    value = min(1.0, max(-1.0, float(x @ y) / size))
    if abs(value) == 1:
        return Metric(value, n, note=note)
    half = Z * math.sqrt((1 + value**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(value) + end) for end in (-half, half))
    return Metric(value, n, low, high, note)


def ranks(values: ArrayLike) -> NDArray[np.float64]:
    """Place of each in rising order, from 1; of equals the mean of their places."""
    _, places, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = counts.cumsum()
    return (last - (counts - 1) / 2)[places]
