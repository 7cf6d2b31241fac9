"""Cards that are alike are compared, and how often a difference is found that is not there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats

from clarion.base.errors import ClarionError
from clarion.evaluate.compare import SHARED, compare
from clarion.evaluate.frechet_metrics import frechet_metrics
from clarion.evaluate.jackknife import deal, with_interval
from clarion.evaluate.metric import Metric, MetricCard, share
from clarion.evaluate.moments import Moments


def card(parts: list[float], drawn_by: str | None = None, n: int = 100) -> MetricCard:
    metric = with_interval(float(np.mean(parts)), n, parts)
    return MetricCard("one", {"fid": metric}, {"extractor": "a"}, {SHARED: drawn_by})


PARTS = np.random.default_rng(0).normal(size=(2, 10)) + np.array([[0], [0.4]])
A, B = (card(parts.tolist(), "seed 1") for parts in PARTS)


def test_it_is_the_paired_test_where_random_numbers_are_shared() -> None:
    found = compare(A, B)
    expected = stats.ttest_rel(PARTS[1], PARTS[0])
    fid = found.differences["fid"]
    assert found.is_paired
    assert fid.p == pytest.approx(expected.pvalue)  # pyright: ignore
    assert (fid.low, fid.high) == pytest.approx(tuple(expected.confidence_interval()))  # pyright: ignore
    assert fid.value == pytest.approx(PARTS[1].mean() - PARTS[0].mean())


@pytest.mark.parametrize("drawn_by", ["seed 2", None])
def test_else_it_is_welchs(drawn_by: str | None) -> None:
    other = replace(B, details={SHARED: drawn_by})
    found = compare(A, other)
    expected = stats.ttest_ind(PARTS[1], PARTS[0], equal_var=False)
    assert not found.is_paired
    assert found.differences["fid"].p == pytest.approx(expected.pvalue)  # pyright: ignore
    assert compare(A, other, is_paired=True).is_paired


def test_numbers_without_parts_are_only_subtracted() -> None:
    one, two = (MetricCard("x", {"valid": share(count, 10)}) for count in (3, 5))
    difference = compare(one, two).differences["valid"]
    assert difference.value == pytest.approx(0.2)
    assert (difference.low, difference.p) == (None, None)
    same = compare(A, A).differences["fid"]
    assert (same.value, same.p) == (0, None)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (replace(B, basis={"extractor": "b"}), "extractor is 'a' for the one and 'b' for the"),
        (replace(B, basis={"extractor": "a", "k": 3}), "k is None for the one and 3 for the other"),
        (replace(B, metrics={"kid": Metric(1, 2)}), "have no metric in common"),
        (card(PARTS[1].tolist(), n=50), "taken on 100 of one and 50 of one"),
    ],
)
def test_cards_that_are_not_alike(other: MetricCard, message: str) -> None:
    with pytest.raises(ClarionError, match=message):
        compare(A, other)


def test_a_card_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(json.dumps(A.to_json()))
    assert MetricCard.read(path) == A
    for wrong in ("[]", "{}", '{"metrics": {"a": {}}, "title": ""}', '{"metrics": 3}'):
        path.write_text(wrong)
        with pytest.raises(ClarionError, match=r"card.json is no card of `clarion evaluate`"):
            MetricCard.read(path)


def drawn(seed: int, shared: np.ndarray, n: int = 200) -> MetricCard:
    """A card of normal samples of three features; of what is shared, the more is paired."""
    own = np.random.default_rng(seed).normal(size=(n, 3))
    features = torch.from_numpy(0.6 * shared + 0.8 * own)
    parts = [Moments.of(features[group]) for group in deal(n, 0)]
    whole = Moments.of(torch.randn(400, 3, generator=torch.Generator().manual_seed(1)).double())
    means = [float(features[group, 0].mean()) for group in deal(n, 0)]
    metrics = {"mean": with_interval(float(np.mean(means)), n, means)}
    return MetricCard("x", metrics | frechet_metrics(parts, whole), {}, {SHARED: None})


@pytest.mark.parametrize("is_paired", [True, False])
def test_how_often_a_difference_is_found_that_is_not_there(is_paired: bool) -> None:
    """In one of twenty, by the mean of a feature and by the Fréchet distance extrapolated."""
    repeats, found = 100, {"mean": [], "fid, extrapolated": []}
    for repeat in range(repeats):
        shared = np.random.default_rng([9, repeat]).normal(size=(2, 200, 3))
        first = drawn(2 * repeat + 10_000, shared[0])
        second = drawn(2 * repeat + 10_001, shared[0 if is_paired else 1])
        differences = compare(first, second, is_paired).differences
        for name, p_values in found.items():
            p_values.append(differences[name].p)
    for name, p_values in found.items():
        count = sum(p < 0.05 for p in p_values)
        low, high = stats.binom.ppf([0.001, 0.999], repeats, 0.05)
        assert low <= count <= high, (name, count)
