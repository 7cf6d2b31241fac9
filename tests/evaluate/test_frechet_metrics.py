"""The distance of samples to a known Gaussian, plain and extrapolated, against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarion.evaluate.frechet import frechet_distance
from clarion.evaluate.frechet_metrics import frechet_metrics
from clarion.evaluate.jackknife import deal
from clarion.evaluate.metric import Metric
from clarion.evaluate.moments import Moments

DIM, N = 5, 120
EXACT = Moments(10_001, torch.zeros(DIM).double(), 10_000 * torch.eye(DIM).double())


def measured(x: torch.Tensor, reference: Moments = EXACT) -> dict[str, Metric]:
    return frechet_metrics([Moments.of(x[g]) for g in deal(len(x), 0)], reference)


def test_the_plain_one_is_the_distance() -> None:
    x = torch.randn(N, DIM, generator=torch.Generator().manual_seed(0)).double() + 0.5
    expected = frechet_distance(np.zeros(DIM), np.eye(DIM), x.mean(0), x.mT.cov())
    assert measured(x)["fid"].value == pytest.approx(expected, rel=1e-12)
    assert measured(x)["fid"].n == N


def test_the_bias_is_removed_and_the_interval_holds_the_truth() -> None:
    """N((0.5, ...), 1.44 I) is 5 (0.25 + 0.04) from N(0, I)."""
    truth = DIM * (0.25 + 0.04)
    rows = []
    for seed in range(200):
        x = torch.randn(N, DIM, generator=torch.Generator().manual_seed(seed)).double()
        metric = measured(1.2 * x + 0.5)
        plain, extrapolated = metric["fid"], metric["fid, extrapolated"]
        assert extrapolated.low is not None
        assert extrapolated.high is not None
        covers = extrapolated.low <= truth <= extrapolated.high
        rows.append((plain.value, extrapolated.value, covers))
    plain, extrapolated, covers = np.array(rows).T
    error = extrapolated.std() / 200**0.5
    assert plain.mean() - truth > 5 * error
    assert extrapolated.mean() == pytest.approx(truth, abs=3 * error)
    assert 0.9 <= covers.mean() <= 0.99  # a standard error of 1.5 %


def test_of_the_same_distribution_nothing_remains() -> None:
    values = []
    for seed in range(100):
        x = torch.randn(N, DIM, generator=torch.Generator().manual_seed(seed)).double()
        metric = measured(x)
        values.append((metric["fid"].value, metric["fid, extrapolated"].value))
    plain, extrapolated = np.mean(values, 0)
    # tr(I) / n of the mean, and of the covariance d (d + 1) / 4 n, to first order in 1 / n.
    assert plain == pytest.approx((DIM + DIM * (DIM + 1) / 4) / N, rel=0.1)
    assert abs(extrapolated) < 0.1 * plain


def test_few_samples_are_said_to_be_few() -> None:
    x = torch.randn(2048, 2, generator=torch.Generator().manual_seed(0))
    assert "fewer than 2,048 samples" in measured(torch.randn(2047, DIM))["fid"].note
    few = Moments.of(x[:100])
    assert "fewer than 2,048 of the reference" in measured(x, few)["fid"].note
    assert measured(x, Moments.of(x))["fid"].note == ""
