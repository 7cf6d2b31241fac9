"""Which of many designs to keep: the best that differ as much as is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from clarion.domains.sequence.distance import distances, diversity


def best_apart(texts: Sequence[str], merits: Tensor, count: int, wanted: float) -> list[int]:
    """The best sequences whose mean distance is at least `wanted`, best first.

    They are taken from the best down, each unless it is closer to one that was taken than some
    number of edits: the least number at which their mean distance is what is wanted, and for as few
    of the first as that takes; for the others it is one edit less. So none is there for its
    distance alone, as it might be if the mean were all that counted.

    Args:
        texts: all there are to choose from, all different.
        merits: of each, (n,).
        count: how many to keep, if there are as many.
        wanted: mean distance of two of them, in edits.

    Returns:
        Numbers of those that are kept. Where so many that differ so much are not to be had, they
        are those that come closest to it.
    """
    ranked = merits.argsort(descending=True).tolist()
    places = {number: place for place, number in enumerate(ranked)}

    def spread(kept: list[int]) -> float:
        return diversity([texts[i] for i in kept])

    kept, apart = ranked[:count], 1
    while len(kept) > 1 and spread(kept) < wanted:
        apart += 1
        farther = _filled(texts, ranked, count, apart, [])
        if len(farther) < len(kept):
            return kept
        if spread(farther) >= wanted:
            few, many = 0, count
            while many - few > 1:
                middle = (few + many) // 2
                mixed = _filled(texts, ranked, count, apart - 1, farther[:middle])
                few, many = (few, middle) if spread(mixed) >= wanted else (middle, many)
            farther = _filled(texts, ranked, count, apart - 1, farther[:many])
        kept = farther
    return sorted(kept, key=places.__getitem__)


def _filled(
    texts: Sequence[str], ranked: list[int], count: int, apart: int, first: list[int]
) -> list[int]:
    """Some that are taken, and the best of those so far apart from all that are, up to `count`."""
    kept = list(first)
    taken = set(first)
    for i in ranked:
        if len(kept) == count:
            break
        if i not in taken and (
            not kept or distances([texts[i]], [texts[k] for k in kept]).min() >= apart
        ):
            kept.append(i)
    return kept
