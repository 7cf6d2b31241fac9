"""Balls of neighbours against brute force, and against what is known for equal distributions."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.evaluate import distances
from clarion.evaluate.distances import Nearest, squared_distances
from clarion.evaluate.jackknife import deal, pseudo_values
from clarion.evaluate.manifold import manifold_metrics
from clarion.evaluate.metric import Metric


def draw(n: int, dim: int, seed: int) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)).double()


def measured(x: torch.Tensor, y: torch.Tensor, k: int) -> dict[str, Metric]:
    return manifold_metrics([x[g] for g in deal(len(x), 0)], [y[g] for g in deal(len(y), 1)], k)


def radii(points: list[list[float]], k: int) -> list[float]:
    return [
        sorted(math.dist(a, b) for j, b in enumerate(points) if j != i)[k - 1]
        for i, a in enumerate(points)
    ]


def by_loops(x: list[list[float]], y: list[list[float]], k: int) -> dict[str, float]:
    x_radii, y_radii = radii(x, k), radii(y, k)
    holds = [[math.dist(a, b) <= r for b, r in zip(y, y_radii, strict=True)] for a in x]
    reached = [any(math.dist(a, b) <= r for a, r in zip(x, x_radii, strict=True)) for b in y]
    return {
        "precision": sum(map(any, holds)) / len(x),
        "recall": sum(reached) / len(y),
        "density": sum(map(sum, holds)) / len(x) / k,
        "coverage": sum(map(any, zip(*holds, strict=True))) / len(y),
    }


@pytest.mark.parametrize("k", [1, 3])
def test_all_four_and_their_parts_against_loops(k: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "BLOCK", 7)
    x, y = 0.8 * draw(33, 3, 0) + 0.4, draw(41, 3, 1)
    found = measured(x, y, k)
    whole = by_loops(x.tolist(), y.tolist(), k)
    assert {name: metric.value for name, metric in found.items()} == pytest.approx(whole)
    groups = deal(33, 0)
    left = [torch.cat([g for g in groups if g is not out]) for out in groups]
    without = [by_loops(x[rows].tolist(), y.tolist(), k) for rows in left]
    for name in ("recall", "coverage"):
        expected = pseudo_values(whole[name], [part[name] for part in without])
        assert found[name].parts == pytest.approx(expected)
    for group, precision in zip(groups, found["precision"].parts, strict=True):
        balls = list(zip(y.tolist(), radii(y.tolist(), k), strict=True))
        inside = [any(math.dist(a, b) <= r for b, r in balls) for a in x[group].tolist()]
        assert precision == pytest.approx(sum(inside) / len(inside))


def test_equal_distributions_and_the_intervals_about_what_is_expected() -> None:
    """Whatever the distribution, in expectation density is 1 and coverage as ranks say."""
    n, m, k = 60, 80, 3
    expected = 1 - math.prod((m - i) / (m + n - i) for i in range(1, k + 1))
    rows = [measured(draw(n, 2, 2 * s), draw(m, 2, 2 * s + 1), k) for s in range(200)]
    for name, value in (("density", 1.0), ("coverage", expected)):
        values = np.array([row[name].value for row in rows])
        assert values.mean() == pytest.approx(value, abs=3 * values.std() / 200**0.5)
    covers = [row["coverage"].low <= expected <= row["coverage"].high for row in rows]  # pyright: ignore
    assert np.mean(covers) > 0.92  # a standard error of 1.5 %


def test_what_is_far_off_and_what_is_the_same() -> None:
    x = draw(40, 3, 0)
    far = measured(x, x + 100, 3)
    for name in ("precision", "recall", "coverage"):
        assert far[name].value == 0
        assert far[name].low == 0
        assert far[name].high > 0.05  # pyright: ignore
    same = measured(x, x, 3)
    assert [same[name].value for name in ("precision", "recall", "coverage")] == [1, 1, 1]


def test_it_is_blind_to_where_all_lie() -> None:
    x, y = draw(40, 3, 0).float(), draw(40, 3, 1).float()
    here, there = measured(x, y, 3), measured(x + 512, y + 512, 3)
    assert [m.value for m in here.values()] == [m.value for m in there.values()]


def test_the_nearest_of_points_shown_bit_by_bit() -> None:
    queries, points = draw(9, 4, 0), draw(50, 4, 1)
    nearest = Nearest(queries, 3)
    for part in points.split(11):
        nearest.show(part)
    squares = torch.tensor(
        [[math.dist(a, b) ** 2 for b in points.tolist()] for a in queries.tolist()]
    )
    expected = squares.double().sort(1)
    assert nearest.numbers.equal(expected.indices[:, :3])
    torch.testing.assert_close(nearest.squares.float(), expected.values[:, :3].float())
    assert squared_distances(queries, queries).diagonal().max() < 1e-14


def test_what_cannot_be() -> None:
    with pytest.raises(ClarionError, match="Samples have 2 features, the reference 3"):
        measured(draw(30, 2, 0), draw(30, 3, 0), 3)
    with pytest.raises(ClarionError, match="k must be at least 1, got 0"):
        measured(draw(30, 2, 0), draw(30, 2, 0), 0)
    with pytest.raises(ClarionError, match="take more than 21 of samples, got 20"):
        measured(draw(20, 2, 0), draw(30, 2, 0), 19)


def test_where_no_sample_lies_near_the_data_there_may_still_be_some() -> None:
    found = measured(draw(100, 3, 0) + 50, draw(100, 3, 1), 5)
    for name in ("precision", "density", "coverage"):
        metric = found[name]
        assert metric.high is not None
        assert metric.value == 0 < metric.high < 0.05, name
