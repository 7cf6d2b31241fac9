"""Which of many designs to keep: the best that differ as much as is wanted."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from clarion.domains.sequence.distance import distances, diversity


def best_apart(texts: Sequence[str], merits: Tensor, count: int, wanted: float) -> list[int]:
    """The best sequences whose mean distance is at least `wanted`, best first.

    They are taken from the best down, each unless it is closer to one that was taken than some
    number of edits: the least number at which their mean distance is what is wanted. So none is
    there for its distance alone, as it might be if the mean were all that counted.

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
    kept, apart = ranked[:count], 1
    while len(kept) > 1 and diversity([texts[i] for i in kept]) < wanted:
        apart += 1
        farther = _at_least_apart(texts, ranked, count, apart)
        if len(farther) < len(kept):
            break
        kept = farther
    return kept


def _at_least_apart(texts: Sequence[str], ranked: list[int], count: int, apart: int) -> list[int]:
    kept = ranked[:1]
    for i in ranked[1:]:
        if len(kept) == count:
            break
        if distances([texts[i]], [texts[k] for k in kept]).min() >= apart:
            kept.append(i)
    return kept
