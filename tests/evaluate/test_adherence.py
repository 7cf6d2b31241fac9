"""The judge against Bayes' rule of normal classes in closed form, and the shares of those named."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.evaluate.adherence import Judge, adherence_metrics
from clarion.evaluate.jackknife import deal
from clarion.evaluate.labelled import Labelled

MIX = torch.tensor([[2.0, 0.0, 0.0], [0.5, 1.0, 0.0], [0.3, -0.4, 0.2]])
"""Features are 100 + MIX (z + mean of the class), z standard normal: what counts are the means."""


def means(distance: float, num_classes: int = 2) -> Tensor:
    """As far from each other as can be, each pair at this distance."""
    return torch.eye(3)[:num_classes] * distance / math.sqrt(2)


def draw(n: int, seed: int, distance: float, num_classes: int = 2) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(num_classes, (n,), generator=generator)
    z = torch.randn(n, 3, generator=generator) + means(distance, num_classes)[labels]
    return 100 + z @ MIX.mT, labels


def dealt(features: Tensor, labels: Tensor, num_classes: int = 2) -> Labelled:
    groups = deal(len(features), 0)
    names = tuple(map(str, range(num_classes)))
    parts = [features[g] for g in groups], [labels[g] for g in groups]
    return Labelled.of(*parts, names, "the samples")


def bayes(distance: float) -> float:
    """How often the best judge is right of two normal classes: Phi(distance / 2)."""
    return (1 + math.erf(distance / 2 / math.sqrt(2))) / 2


def test_it_names_as_bayes_rule_does() -> None:
    """(x - middle) . covariance⁻¹ (m_1 - m_0), from the numbers that made the data."""
    features, labels = draw(40_000, 0, 1.5)
    judge = Judge(features, labels, 2)
    a, b = (100 + MIX @ mean for mean in means(1.5))
    direction = torch.linalg.solve(MIX @ MIX.mT, b - a)
    is_second = (features - (a + b) / 2) @ direction > 0
    differ = (judge(features) == 1) != is_second
    assert differ.double().mean() < 0.01  # 40,000 examples tell the line to some 1 / 200
    assert (judge(features) == labels).double().mean() == pytest.approx(bayes(1.5), abs=0.006)


def test_real_data_and_samples_as_good_are_named_alike_and_the_intervals_hold_it() -> None:
    held, found = [], []
    for seed in range(60):
        metrics = adherence_metrics(
            dealt(*draw(400, 3 * seed + 1, 2.0)), dealt(*draw(400, 3 * seed, 2.0))
        )
        found.append([m.value for m in metrics.values()])
        held += [m.low <= bayes(2.0) <= m.high for m in metrics.values()]  # pyright: ignore
    assert torch.tensor(found).mean(0).tolist() == pytest.approx([bayes(2.0)] * 2, abs=0.006)
    assert 0.88 < sum(held) / len(held) < 0.99  # a little is lost to what the judge did not learn


def test_wrong_labels_cost_what_they_must() -> None:
    """Of a share w that was asked for the other of two classes, a (1 - w) + (1 - a) w remain."""
    features, labels = draw(4000, 1, 3.0)
    wrong = torch.arange(4000) % 5 == 0
    metrics = adherence_metrics(
        dealt(features, torch.where(wrong, 1 - labels, labels)), dealt(*draw(4000, 2, 3.0))
    )
    a = bayes(3.0)
    assert metrics["named as asked"].value == pytest.approx(0.8 * a + 0.2 * (1 - a), abs=0.015)
    assert metrics["named rightly, real"].value == pytest.approx(a, abs=0.015)
    assert len(metrics["named as asked"].parts) == 10
    assert metrics["named rightly, real"].parts == ()


def test_it_learns_from_fewer_examples_than_features_and_from_features_that_never_vary() -> None:
    generator = torch.Generator().manual_seed(0)
    labels = torch.arange(60) % 3
    features = torch.randn(60, 200, generator=generator) + 4 * torch.eye(200)[labels]
    features[:, -20:] = 7.0
    found = adherence_metrics(dealt(features, labels, 3), dealt(features, labels, 3))
    assert found["named rightly, real"].value > 0.8
    still = dealt(torch.ones(60, 4), labels, 3)
    assert adherence_metrics(still, still)["named rightly, real"].value <= 0.5


def test_samples_without_a_label_are_passed_over() -> None:
    features, labels = draw(400, 0, 2.0)
    partly = labels.clone()
    partly[::2] = -1
    assert adherence_metrics(dealt(features, partly), dealt(features, labels))[
        "named as asked"
    ].n == int((partly >= 0).sum())
    with pytest.raises(DataError, match=r"Of the samples 0 have a label, and not in each of 10"):
        dealt(features, -torch.ones_like(labels))


def test_what_cannot_be_learnt_is_named() -> None:
    features, labels = draw(400, 0, 2.0)
    few = labels.clone()
    few[few == 1] = 0
    few[7] = 1
    with pytest.raises(DataError, match=r"'1' has 1 pictures in 1, and 1 more classes are as rare"):
        adherence_metrics(dealt(features, labels, 3), dealt(features, few, 3))
    wide = dealt(torch.zeros(40, 5000), torch.arange(40) % 2)
    with pytest.raises(DataError, match="takes at most 4096 features, got 5000"):
        adherence_metrics(wide, wide)
