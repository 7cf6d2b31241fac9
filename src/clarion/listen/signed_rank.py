"""Wilcoxon's test of pairs, exact also where ranks are tied, and Holm's correction for several.

Sources: Wilcoxon 1945, doi 10.2307/3001968; Holm 1979, Scandinavian Journal of Statistics 6.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def signed_rank_p(differences: Sequence[float]) -> float:
    """The two-sided probability of so uneven ranks if each sign were a toss of a coin.

    Differences of 0 are left out; equal ones share their ranks. All 2^n ways to choose signs are
    counted, by the sums of ranks that they give.

    Example:
        >>> signed_rank_p([1.0, 2.0, 3.0, 4.0, 5.0])  # 2 of 32 ways
        0.0625
    """
    d = np.array([x for x in differences if x != 0], float)
    if not len(d):
        return 1.0
    sizes = np.abs(d)
    # Twice the mean rank of those of one size is whole.
    twice = (sizes[:, None] > sizes).sum(1) + (sizes[:, None] >= sizes).sum(1) + 1
    ways = np.zeros(twice.sum() + 1)
    ways[0] = 1.0
    for rank in twice:
        ways[rank:] += ways[: len(ways) - rank].copy()
        ways /= 2
    positive = int(twice[d > 0].sum())
    return min(1.0, 2 * float(min(ways[: positive + 1].sum(), ways[positive:].sum())))


def holm(p_values: Sequence[float]) -> list[float]:
    """Each p-value as it stands for all of them: reject where it is under the level.

    Example:
        >>> holm([0.01, 0.04, 0.03])
        [0.03, 0.06, 0.06]
    """
    count = len(p_values)
    corrected = [0.0] * count
    least = 0.0
    for place, number in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        least = max(least, min(1.0, (count - place) * p_values[number]))
        corrected[number] = least
    return corrected
