"""Rank correlations, against scipy and simulated normal pairs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from clarion.base.errors import ClarionError
from clarion.evaluate.rank_correlation import rank_correlation, ranks

RANDOM = np.random.default_rng(0)


@pytest.mark.parametrize("levels", [3, 20, 10**9])
def test_it_is_that_of_scipy(levels: int) -> None:
    a = RANDOM.integers(levels, size=200)
    b = a + RANDOM.integers(levels, size=200)
    np.testing.assert_allclose(ranks(a), stats.rankdata(a), rtol=0, atol=1e-12)
    expected = float(stats.spearmanr(a, b).statistic)
    assert rank_correlation(a, b).value == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("r", [0.0, 0.7])
def test_intervals_hold_as_often_as_they_say(r: float) -> None:
    """0.95 of 1,000 pairs of lists, with a deviation of 0.007."""
    true = 6 / math.pi * math.asin(r / 2)  # of a normal pair of correlation r
    a, noise = RANDOM.normal(size=(2, 1000, 60))
    found = [rank_correlation(*pair) for pair in zip(a, r * a + (1 - r**2) ** 0.5 * noise)]  # noqa: B905
    held = [m.low < true < m.high for m in found if m.low is not None and m.high is not None]
    assert np.mean(held) == pytest.approx(0.95, abs=0.025)


def test_a_perfect_order_has_no_interval() -> None:
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]) == rank_correlation(
        [0, 1, 5, 9], [0, -1, -2, -3]
    )
    assert rank_correlation([1, 2, 3, 4], [4, 3, 2, 1]).low is None


@pytest.mark.parametrize(
    ("a", "b", "said"),
    [
        ([1, 2, 3], [1, 2, 3], "4 or more, got 3 and 3"),
        ([1, 2, 3, 4], [1, 2, 3], "got 4 and 3"),
        ([1, 2, 3, 4], [5, 5, 5, 5], "a single number only"),
    ],
)
def test_what_has_no_order_is_refused(a: list[int], b: list[int], said: str) -> None:
    with pytest.raises(ClarionError, match=said):
        rank_correlation(a, b)
