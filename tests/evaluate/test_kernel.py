"""KID against loops, against the discrepancy of two Gaussians in closed form, and its interval."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.evaluate.jackknife import deal
from clarion.evaluate.kernel import kernel_metric
from clarion.evaluate.metric import Metric

DOUBLE = torch.float64
RANGES = ((0.2, 1.2), (0.0, 1.0))


def measured(x: torch.Tensor, y: torch.Tensor) -> Metric:
    return kernel_metric([x[g] for g in deal(len(x), 0)], [y[g] for g in deal(len(y), 1)])


def draw(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def test_it_is_the_formula() -> None:
    x, y = draw(23, 4, 0), draw(31, 4, 1) + 1

    def mean(a: list[list[float]], b: list[list[float]], is_same: bool) -> float:
        found = [
            (sum(p * q for p, q in zip(u, v, strict=True)) / 4 + 1) ** 3
            for i, u in enumerate(a)
            for j, v in enumerate(b)
            if not (is_same and i == j)
        ]
        return sum(found) / len(found)

    a, b = x.tolist(), y.tolist()
    expected = mean(a, a, True) + mean(b, b, True) - 2 * mean(a, b, False)
    assert measured(x, y).value == pytest.approx(expected, rel=1e-12)
    assert measured(x.float(), y.float()).value == pytest.approx(expected, rel=1e-5)


def test_over_repeats_it_is_0_for_equals_and_the_interval_holds_it() -> None:
    metrics = [measured(draw(40, 3, 2 * s), draw(60, 3, 2 * s + 1)) for s in range(200)]
    values = np.array([m.value for m in metrics])
    error = values.std() / 200**0.5
    assert abs(values.mean()) < 3 * error
    assert min(values) < 0 < max(values)
    inside = np.mean([m.low <= 0 <= m.high for m in metrics])  # pyright: ignore
    assert inside >= 0.95


def test_over_repeats_it_is_the_discrepancy_and_the_interval_holds_it() -> None:
    """In one dimension k(x, y) = 1 + 3 xy + 3 x²y² + x³y³, so with the moments u of a uniform x in
    [0.2, 1.2] and v of one in [0, 1] it is 3 (u1 - v1)² + 3 (u2 - v2)² + (u3 - v3)²."""
    u, v = ([(b ** (p + 1) - a ** (p + 1)) / (p + 1) for p in (1, 2, 3)] for a, b in RANGES)
    truth = sum(w * (p - q) ** 2 for w, p, q in zip((3, 3, 1), u, v, strict=True))
    rng, metrics = np.random.default_rng(0), []
    for _ in range(300):
        x, y = (torch.from_numpy(rng.uniform(a, b, (60, 1))) for a, b in RANGES)
        metrics.append(measured(x, y))
    values = np.array([m.value for m in metrics])
    assert values.mean() == pytest.approx(truth, abs=3 * values.std() / 300**0.5)
    inside = np.mean([m.low <= truth <= m.high for m in metrics])  # pyright: ignore
    assert 0.91 < inside < 0.99  # a standard error of 1.3 %


def test_other_features_are_refused() -> None:
    with pytest.raises(ClarionError, match="Samples have 3 features, the reference 4"):
        measured(draw(20, 3, 0), draw(20, 4, 0))
