"""On full tables the model is the analysis of variance of two crossed random factors."""

from __future__ import annotations

import math

import numpy as np
import pytest

from clarion.base.errors import ClarionError
from clarion.evaluate.student import quantile
from clarion.listen.mixed_model import fit


def table(
    seed: int, listeners: int = 6, items: int = 8, sds: tuple[float, ...] = (5, 4, 6)
) -> np.ndarray:
    rng = np.random.default_rng(seed)
    a, b, e = sds
    rows, columns = rng.normal(0, a, (listeners, 1)), rng.normal(0, b, (1, items))
    return 3 + rows + columns + rng.normal(0, e, (listeners, items))


@pytest.mark.parametrize("seed", [0, 2, 3, 4])
def test_it_is_the_analysis_of_variance(seed):
    """Searle, Casella & McCulloch 1992, section 4.5: mean squares and what they estimate."""
    d = table(seed)
    L, J = d.shape
    rest = d - d.mean(1, keepdims=True) - d.mean(0) + d.mean()
    ms_a, ms_b = J * d.mean(1).var(ddof=1), L * d.mean(0).var(ddof=1)
    ms_e = (rest**2).sum() / ((L - 1) * (J - 1))
    assert min(ms_a, ms_b) > ms_e  # else a variance is 0, see below
    found = fit(d)
    assert found.mean == pytest.approx(d.mean(), rel=1e-9)
    assert found.sd_listener == pytest.approx(math.sqrt((ms_a - ms_e) / J), rel=1e-6)
    assert found.sd_item == pytest.approx(math.sqrt((ms_b - ms_e) / L), rel=1e-6)
    assert found.sd_residual == pytest.approx(math.sqrt(ms_e), rel=1e-6)
    squares = ms_a**2 / (L - 1) + ms_b**2 / (J - 1) + ms_e**2 / ((L - 1) * (J - 1))
    assert found.degrees == pytest.approx((ms_a + ms_b - ms_e) ** 2 / squares, rel=1e-6)
    half = quantile(found.degrees) * math.sqrt((ms_a + ms_b - ms_e) / (L * J))
    assert found.high - found.mean == pytest.approx(half, rel=1e-6)


def test_parts_that_are_not_there_are_0():
    """Rows and columns whose means are equal: what is left is a sample of independent numbers."""
    d = np.array([[1.0, -1.0, 0.0], [-1.0, 0.0, 1.0], [0.0, 1.0, -1.0]]) + 5
    found = fit(d)
    assert found.sd_listener == 0
    assert found.sd_item == 0
    assert found.degrees == pytest.approx(8)
    half = quantile(8) * d.std(ddof=1) / 3
    assert found.low == pytest.approx(5 - half, rel=1e-9)


def test_listeners_who_agree_on_each_item():
    """What is left for chance is nothing: the items' means are all that is known."""
    items = np.random.default_rng(0).normal(3, 2, 20)
    found = fit(np.tile(items, (10, 1)))
    assert found.mean == pytest.approx(items.mean(), rel=1e-9)
    assert found.sd_listener == pytest.approx(0, abs=1e-3)
    assert found.sd_item == pytest.approx(items.std(ddof=1), rel=1e-5)  # the least rest is 1e-6
    assert found.degrees == pytest.approx(19, rel=1e-5)
    half = quantile(19) * items.std(ddof=1) / math.sqrt(20)
    assert found.high - found.mean == pytest.approx(half, rel=1e-5)


def test_a_table_without_a_rest():
    """Mean squares by hand: 4 of the rows, 1 of the columns, 0 of the rest."""
    found = fit(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert found.mean == pytest.approx(2.5, rel=1e-9)
    assert found.sd_listener == pytest.approx(math.sqrt(2), rel=1e-4)
    assert found.sd_item == pytest.approx(math.sqrt(1 / 2), rel=1e-4)
    assert found.degrees == pytest.approx(25 / 17, rel=1e-4)


def test_parts_that_cannot_be_told_apart():
    """Each listener answered for an item of his own: two numbers, and one degree of freedom."""
    found = fit(np.array([[1.0, np.nan], [np.nan, 3.0]]))
    assert found.mean == pytest.approx(2, rel=1e-9)
    assert found.degrees == pytest.approx(1, rel=1e-6)
    assert found.high - found.mean == pytest.approx(quantile(1), rel=1e-6)  # sd sqrt(2) of 2


def contrast_likelihood(d: np.ndarray, variances: tuple[float, ...]) -> float:
    """Log density of all contrasts of the answers, whatever their mean: REML by its definition."""
    rows, columns = np.nonzero(np.isfinite(d))
    y = d[rows, columns]
    listeners, items, rest = variances
    V = listeners * np.equal.outer(rows, rows) + items * np.equal.outer(columns, columns)
    V = V + rest * np.eye(len(y))
    contrasts = np.linalg.svd(np.ones((1, len(y))))[2][1:]  # orthogonal to a common mean
    of_contrasts = contrasts @ V @ contrasts.T
    z = contrasts @ y
    return -0.5 * (np.linalg.slogdet(of_contrasts)[1] + z @ np.linalg.solve(of_contrasts, z))


def test_missing_answers_are_left_out():
    """The fit is where the likelihood, written in another way, is greatest."""
    d = table(2)
    d[0, 3:] = np.nan
    d[2, 0] = d[4, 5] = np.nan
    found = fit(d)
    variances = (found.sd_listener**2, found.sd_item**2, found.sd_residual**2)
    assert min(variances) > 0
    best = contrast_likelihood(d, variances)
    for which in range(3):
        for factor in (0.97, 1.03):
            moved = list(variances)
            moved[which] *= factor
            assert contrast_likelihood(d, tuple(moved)) < best
    assert fit(d[::-1, ::-1]).mean == pytest.approx(found.mean, rel=1e-6)


def test_its_interval_covers_the_truth():
    covered = sum(f.low <= 3 <= f.high for seed in range(60) for f in [fit(table(seed))])
    # Of 60 studies 57 are expected; 52 or fewer happen once in 100.
    assert covered > 52


@pytest.mark.parametrize("d", [np.ones((1, 5)), np.ones((5, 1)), np.full((3, 3), 2.0)])
def test_what_cannot_be_judged_is_refused(d):
    with pytest.raises(ClarionError):
        fit(d)
