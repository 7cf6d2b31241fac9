"""The best that differ, against all subsets of a small pool."""

from __future__ import annotations

import itertools

import pytest
import torch

from clarion.domains.sequence.design.selection import best_apart
from clarion.domains.sequence.distance import distances, diversity

POOL = tuple("".join(letters) for letters in itertools.product("ABC", repeat=6))


def merits_of(texts: tuple[str, ...]) -> torch.Tensor:
    """Most for what has many A, ties broken by where they stand."""
    return torch.tensor([text.count("A") + 0.01 * text.index("A") if "A" in text else 0.0
                         for text in texts])  # fmt: skip


@pytest.mark.parametrize("wanted", [0.0, 3.0, 3.5, 4.0])
def test_the_diversity_is_met_and_the_best_come_first(wanted: float) -> None:
    merits = merits_of(POOL)
    kept = best_apart(POOL, merits, 6, wanted)
    texts = [POOL[i] for i in kept]
    assert len(set(kept)) == 6
    assert diversity(texts) >= wanted
    assert kept[0] == int(merits.argmax())
    assert (merits[kept].diff() <= 0).all()
    # Whatever better one was left out is closer to one that is kept than one edit more than the
    # closest two of these.
    apart = min(distances([a], [b]).item() for a, b in itertools.combinations(texts, 2))
    for i in range(len(POOL)):
        if i not in kept and merits[i] > merits[kept[-1]]:
            assert distances([POOL[i]], texts).min() < max(apart, 1) + 1


def test_no_more_is_given_up_than_the_diversity_takes() -> None:
    """Many different wishes are met closely, and the more is wished the less good they are."""
    pool = tuple("".join(letters) for letters in itertools.product("ABC", repeat=7))
    merits = merits_of(pool)
    found = {}
    for wanted in (2.0, 2.5, 3.0, 3.5, 3.8):
        kept = best_apart(pool, merits, 30, wanted)
        reached = diversity([pool[i] for i in kept])
        found[wanted] = float(merits[kept].mean())
        assert reached >= wanted
        assert reached < wanted + 0.3 or found[wanted] == float(merits.topk(30).values.mean())
    assert sorted(found.values(), reverse=True) == list(found.values())


def test_without_a_diversity_they_are_the_best() -> None:
    merits = torch.randn(len(POOL), generator=torch.Generator().manual_seed(0))
    assert best_apart(POOL, merits, 10, 0.0) == merits.argsort(descending=True)[:10].tolist()


def test_what_is_not_to_be_had_is_come_close_to() -> None:
    merits = merits_of(POOL)
    kept = best_apart(POOL, merits, 6, 100.0)
    assert len(kept) == 6
    closer = best_apart(POOL, merits, 6, 0.0)
    assert diversity([POOL[i] for i in kept]) > diversity([POOL[i] for i in closer])
    assert best_apart(POOL[:3], merits[:3], 6, 0.0) == merits[:3].argsort(descending=True).tolist()
    assert best_apart((), torch.empty(0), 6, 2.0) == []
