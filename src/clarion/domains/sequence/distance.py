"""Edit distances of sequences.

The least number of letters put in, taken out or exchanged (Levenshtein 1966), by the library
`rapidfuzz`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError


def distances(a: Sequence[str], b: Sequence[str]) -> NDArray[np.int64]:
    """The distance of each of `a` to each of `b`, (len(a), len(b)).

    Raises:
        ClarionError: if `rapidfuzz` is not installed.
    """
    try:
        from rapidfuzz.distance import Levenshtein
        from rapidfuzz.process import cdist
    except ImportError:
        raise ClarionError(
            "Edit distances need the package rapidfuzz. "
            "Install it with: pip install 'clarion[sequence]'"
        ) from None
    return cdist(list(a), list(b), scorer=Levenshtein.distance, dtype=np.int64)


def nearest(a: Sequence[str], b: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For each of `a` the distance to the nearest of `b`, and its number, (len(a),) each."""
    table = distances(a, b)
    places = table.argmin(1)
    return table[np.arange(len(a)), places], places


def diversity(texts: Sequence[str]) -> float:
    """Mean distance of two different ones."""
    n = len(texts)
    return float(distances(texts, texts).sum() / (n * (n - 1))) if n > 1 else 0.0
