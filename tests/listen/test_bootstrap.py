"""Intervals that hold for other listeners and other items."""

from __future__ import annotations

import numpy as np
import pytest

from clarion.base.errors import ClarionError
from clarion.evaluate.student import quantile
from clarion.listen.bootstrap import crossed_interval, tail_of


def study(rng: np.random.Generator, listeners: int, items: int, sds: tuple[float, ...]):
    """Ratings of a system that is 20 % above a baseline of 40."""
    of_listener, of_item, rest = sds
    parts = [(of_listener, (listeners, 1)), (of_item, (1, items)), (rest, (listeners, items))]
    common = [10 * rng.standard_normal((listeners, 1)), 8 * rng.standard_normal((1, items))]
    return tuple(
        mean + sum(common) + sum(sd * rng.standard_normal(shape) for sd, shape in parts)
        for mean in (48, 40)
    )


def gain(a, b):
    return 100 * (a / b - 1)


@pytest.mark.parametrize("sds", [(8, 0, 5), (0, 10, 5), (6, 6, 12), (0, 0, 15)])
@pytest.mark.parametrize("size", [(10, 20), (6, 12)])
def test_they_cover_the_truth(sds, size):
    rng = np.random.default_rng(0)
    studies = 150
    covered = sum(
        low <= 20 <= high
        for seed in range(studies)
        for low, high in [crossed_interval(study(rng, *size, sds), gain, seed, draws=400)]
    )
    # 142.5 are expected of exact ones; fewer than 135 of them happen once in 100. These are wide.
    assert covered >= 135


def test_without_listeners_parts_it_is_that_of_items():
    """Tables of equal rows: what is drawn of listeners changes nothing."""
    row = np.random.default_rng(1).normal(50, 10, 100)
    low, high = crossed_interval((np.tile(row, (100, 1)),), lambda mean: mean)
    half = quantile(99) * row.std(ddof=1) / np.sqrt(100)
    assert (high - low) / 2 == pytest.approx(half, rel=0.05)  # of 4000 draws


def test_they_are_not_much_too_wide():
    """Beside Student's of the known spread: chance counts up to three times (Owen 2007)."""
    rng = np.random.default_rng(0)
    L, J, (of_listener, of_item, rest) = 10, 20, (6, 6, 12)
    sd = np.sqrt(2 * (of_listener**2 / L + of_item**2 / J + rest**2 / (L * J)))
    widths = [
        high - low
        for seed in range(60)
        for low, high in [
            crossed_interval(
                study(rng, L, J, (of_listener, of_item, rest)), lambda a, b: a - b, seed, draws=400
            )
        ]
    ]
    exact = 2 * quantile(L - 1) * sd
    assert 0.9 * exact < np.mean(widths) < 1.25 * exact  # 1.11, were all of it counted thrice


def test_missing_answers_are_left_out():
    table = np.full((4, 5), 7.0)
    table[0, 2:] = np.nan
    assert crossed_interval((table,), lambda mean: mean) == (7.0, 7.0)


def test_tails_are_those_of_student():
    stats = pytest.importorskip("scipy.stats")
    for n in (2, 5, 10, 30):
        z = np.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)
        assert tail_of(n) == pytest.approx(stats.norm.sf(z), rel=1e-6)


def test_one_listener_has_no_interval():
    with pytest.raises(ClarionError, match="at least 2 listeners and 2 items, got 1 and 5"):
        crossed_interval((np.ones((1, 5)),), lambda mean: mean)
