"""Diversity against loops and closed forms, and whether its interval holds the truth."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.evaluate.diversity import diversity_metric
from clarion.evaluate.jackknife import deal, pseudo_values
from clarion.evaluate.labelled import Labelled

NAMES = ("a", "b", "c")


def draw(n: int, seed: int, scale: float = 1.0, dim: int = 3) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(2, (n,), generator=generator)
    x = scale * torch.randn(n, dim, generator=generator, dtype=torch.float64)
    return x + 30 * labels[:, None], labels


def dealt(features: Tensor, labels: Tensor, names: tuple[str, ...] = NAMES[:2]) -> Labelled:
    groups = deal(len(features), 0)
    return Labelled([features[g] for g in groups], [labels[g] for g in groups], names)


def mean_distance(of: Labelled, number: int, left_out: int | None = None) -> float:
    rows = [
        row
        for g, (part, labels) in enumerate(zip(of.features, of.labels, strict=True))
        for row in part[labels == number]
        if g != left_out
    ]
    pairs = list(itertools.combinations(rows, 2))
    return float(sum((a - b).norm() for a, b in pairs)) / len(pairs)


def test_it_is_the_formula_and_its_parts_leave_out_a_group_each() -> None:
    x, y = dealt(*draw(60, 0)), dealt(*draw(70, 1, scale=1.4))
    found = diversity_metric(x, y)

    def ratio(left_out: int | None) -> float:
        own = sum(mean_distance(x, number, left_out) for number in (0, 1))
        return own / sum(mean_distance(y, number) for number in (0, 1))

    assert found.value == pytest.approx(ratio(None), rel=1e-12)
    expected = pseudo_values(ratio(None), [ratio(g) for g in range(10)])
    assert found.parts == pytest.approx(expected, rel=1e-9)
    assert found.n == 60


def test_over_repeats_it_is_the_ratio_of_the_scales_and_the_interval_holds_it() -> None:
    values, held = [], []
    for seed in range(150):
        x, y = dealt(*draw(120, 2 * seed, scale=0.7)), dealt(*draw(150, 2 * seed + 1))
        metric = diversity_metric(x, y)
        values.append(metric.value)
        held.append(metric.low <= 0.7 <= metric.high)  # pyright: ignore
    assert sum(values) / 150 == pytest.approx(0.7, abs=0.01)
    assert 0.90 <= sum(held) / 150 <= 0.99  # a standard error of 1.8 %


def test_samples_that_are_all_alike_have_none() -> None:
    features, labels = draw(60, 0)
    collapsed = 30.0 * labels[:, None].expand(-1, 3).double() + 0.1
    assert diversity_metric(dealt(collapsed, labels), dealt(features, labels)).value == 0


def test_classes_of_which_there_are_too_few_are_left_out_and_counted() -> None:
    (x, x_labels), (y, y_labels) = draw(60, 0), draw(70, 1)
    expected = diversity_metric(dealt(x, x_labels), dealt(y, y_labels)).value
    found = diversity_metric(dealt(x, x_labels, NAMES), dealt(y, y_labels, NAMES))
    assert found.value == expected
    assert found.note == "1 of 3 classes left out: too few"
    alone = dealt(x, torch.arange(60), tuple(map(str, range(60))))
    with pytest.raises(DataError, match=r"no class has them\. Samples: 60 of 60 classes"):
        diversity_metric(alone, alone)
    same = dealt(torch.ones(60, 3), x_labels)
    with pytest.raises(DataError, match="real examples of each class have the same features"):
        diversity_metric(same, same)
