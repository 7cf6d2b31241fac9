"""The test of signed ranks against every choice of signs, and against scipy."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from clarion.listen.signed_rank import holm, signed_rank_p


def by_enumeration(d: list[float]) -> float:
    d = [x for x in d if x]
    ranks = [
        sum(abs(y) < abs(x) for y in d) + (1 + sum(abs(y) == abs(x) for y in d)) / 2 for x in d
    ]
    sums = [
        sum(r for r, s in zip(ranks, signs, strict=True) if s)
        for signs in product([0, 1], repeat=len(d))
    ]
    seen = sum(r for r, x in zip(ranks, d, strict=True) if x > 0)
    below, above = (
        sum(f) / len(sums) for f in ([s <= seen for s in sums], [s >= seen for s in sums])
    )
    return min(1.0, 2 * min(below, above))


@pytest.mark.parametrize("seed", range(8))
def test_ties_and_zeros_are_counted_exactly(seed):
    d = np.random.default_rng(seed).integers(-4, 6, 9).astype(float).tolist()
    assert signed_rank_p(d) == pytest.approx(by_enumeration(d), abs=1e-12)


def test_without_ties_it_is_scipys():
    stats = pytest.importorskip("scipy.stats")
    for n in (5, 10, 25):
        d = np.random.default_rng(n).normal(0.4, 1, n)
        expected = stats.wilcoxon(d, method="exact").pvalue
        assert signed_rank_p(d.tolist()) == pytest.approx(expected, rel=1e-9)


def test_without_a_difference_there_is_no_evidence():
    assert signed_rank_p([0.0, 0.0]) == 1.0
    assert signed_rank_p([1.0, -1.0]) == 1.0


def test_holm_against_its_definition():
    p = [0.01, 0.02, 0.03, 0.005]  # in order 0.005 x 4, 0.01 x 3, 0.02 x 2, 0.03 x 1, never falling
    assert holm(p) == pytest.approx([0.03, 0.04, 0.04, 0.02])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
