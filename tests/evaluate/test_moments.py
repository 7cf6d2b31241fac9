"""Moments in parts against loops over all features."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.evaluate.moments import Moments, merge, sample_moments

DOUBLE = torch.float64


def test_moments_against_loops() -> None:
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(0), dtype=DOUBLE) + 100
    mean, covariance = sample_moments(x)
    rows = x.tolist()
    for i in range(3):
        m_i = sum(row[i] for row in rows) / 7
        assert float(mean[i]) == pytest.approx(m_i, rel=1e-14)
        for j in range(3):
            m_j = sum(row[j] for row in rows) / 7
            c = sum((row[i] - m_i) * (row[j] - m_j) for row in rows) / 6
            assert float(covariance[i, j]) == pytest.approx(c, abs=1e-12)


@pytest.mark.parametrize("sizes", [(1, 1, 1), (5, 1, 94), (50, 50)])
def test_parts_give_what_the_whole_gives(sizes: tuple[int, ...]) -> None:
    x = torch.randn(sum(sizes), 6, generator=torch.Generator().manual_seed(1)) * 3 + 1000
    whole, merged = Moments.of(x), merge([Moments.of(part) for part in x.split(sizes)])
    assert merged.n == whole.n
    torch.testing.assert_close(merged.mean, whole.mean, rtol=1e-14, atol=0)
    torch.testing.assert_close(merged.covariance, whole.covariance, rtol=1e-11, atol=1e-11)


def test_merging_leaves_the_parts_as_they_were() -> None:
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(2))
    part = Moments.of(x[:4])
    before = part.scatter.clone()
    part.merged(Moments.of(x[4:]))
    assert part.scatter.equal(before)


@pytest.mark.parametrize("shape", [(3,), (1, 3), (2, 2, 2), (0, 3)])
def test_features_that_have_no_covariance(shape: tuple[int, ...]) -> None:
    with pytest.raises(ClarionError, match="n at least"):
        sample_moments(torch.zeros(shape))


def test_features_that_are_no_numbers() -> None:
    with pytest.raises(ClarionError, match="finite, got NaN or infinity"):
        Moments.of(torch.tensor([[1.0, float("nan")], [0.0, 0.0]]))
