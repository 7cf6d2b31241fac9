"""Pseudo-values against numbers whose bias and error are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.evaluate.jackknife import deal, half_width, pseudo_values, with_interval


def test_all_are_dealt_once_and_alike() -> None:
    groups = deal(103, seed=3)
    assert sorted(torch.cat(groups).tolist()) == list(range(103))
    assert {len(group) for group in groups} == {10, 11}
    assert all(a.equal(b) for a, b in zip(groups, deal(103, seed=3), strict=True))
    assert not groups[0].equal(deal(103, seed=4)[0])
    with pytest.raises(ClarionError, match="at least 20 samples, 2 in each of 10 groups, got 19"):
        deal(19, seed=0)


def test_of_a_mean_they_are_the_means_of_the_groups() -> None:
    groups = np.random.default_rng(0).normal(size=(10, 7))
    without = [float(np.delete(groups, g, 0).mean()) for g in range(10)]
    parts = pseudo_values(float(groups.mean()), without)
    np.testing.assert_allclose(parts, groups.mean(1), atol=1e-13)


def test_a_bias_of_1_over_n_is_gone() -> None:
    """The plain variance of n numbers has the bias -v / n; the mean pseudo-value has none."""
    draws = np.random.default_rng(1).normal(0, 2, (20_000, 10, 2))
    plain = draws.reshape(20_000, 20).var(1)
    without = [np.delete(draws, g, 1).reshape(20_000, 18).var(1) for g in range(10)]
    extrapolated = np.mean([10 * plain - 9 * part for part in without], 0)
    error = extrapolated.std() / 20_000**0.5
    assert plain.mean() == pytest.approx(4 * 19 / 20, abs=3 * error)
    assert extrapolated.mean() == pytest.approx(4, abs=3 * error)


def test_the_interval_covers_as_often_as_it_says() -> None:
    """Of a median, on both sides: of samples, and of the reference that it is compared with."""
    rng, inside = np.random.default_rng(2), 0
    for _ in range(1000):
        both = rng.normal(size=(2, 10, 20))
        whole = [float(np.median(side)) for side in both]
        x, y = (
            pseudo_values(w, [float(np.median(np.delete(side, g, 0))) for g in range(10)])
            for w, side in zip(whole, both, strict=True)
        )
        metric = with_interval(whole[0] - whole[1], 200, x, y)
        assert metric.low is not None
        assert metric.high is not None
        inside += metric.low <= 0 <= metric.high
    assert 0.93 < inside / 1000 < 0.98  # a standard error of 0.7 %


def test_no_spread_no_width() -> None:
    assert half_width([0.0], [9]) == 0
    assert half_width([4.0, 0.0], [9, 9]) == pytest.approx(2 * 2.26216, rel=1e-5)
