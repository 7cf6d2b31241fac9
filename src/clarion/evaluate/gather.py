"""Features of many things, in groups: moments of all, and the features themselves of some."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import ClarionError, DataError
from clarion.evaluate.jackknife import GROUPS, deal
from clarion.evaluate.moments import Moments, merge
from clarion.run.examples import OnProgress

CHUNK = 1024
"""Features that are taken together, before their moments are merged with those of the rest."""

MOST_FEATURES = 4096
"""For which a covariance is gathered: ten of them take 1.3 GB."""


FEWEST = 2 * GROUPS
"""Features that are kept at least: two of each group."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """What is left of the features.

    Args:
        n: number of things.
        kept: features of at most so many as were asked for, drawn at random, by groups.
        numbers: of the things whose features are kept, by groups.
        moments: of all, by groups; empty where they were not asked for.
    """

    n: int
    kept: list[Tensor]
    numbers: list[Tensor]
    moments: list[Moments]


def gather(
    n: int,
    features: Callable[[Tensor], Tensor],
    *,
    seed: int,
    keep: int,
    with_moments: bool,
    batch_size: int,
    on_progress: OnProgress,
) -> Gathered:
    """Look at everything once, in a random order.

    Args:
        n: number of things.
        features: of those of some numbers (batch,): (batch, dim).
        seed: of the order.
        keep: features that are kept, at most.
        with_moments: whether moments are gathered.
        batch_size: things at a time.
        on_progress: called with (things done, things in all).

    Raises:
        DataError: for features that are not finite, or too many for a covariance.
    """
    groups = deal(n, seed)
    kept, moments, done = [], [], 0
    for group, left in zip(groups, kept_sizes(n, seed, keep), strict=True):
        of_group, few = [], []
        for chunk in group.split(CHUNK):
            parts = []
            for batch in chunk.split(batch_size):
                parts.append(features(batch).cpu())
                done += len(batch)
                on_progress(done, n)
            found = torch.cat(parts)
            _check(found, chunk, with_moments)
            few.append(found[:left])
            left -= len(few[-1])
            if with_moments:
                of_group.append(Moments.of(found))
                of_group = [merge(of_group)]
        kept.append(torch.cat(few))
        moments += of_group
    return Gathered(n, kept, kept_numbers(n, seed, kept), moments)


def check_sizes(*, k: int, batch_size: int, keep: int) -> None:
    """Refuse sizes of an evaluation that nothing can be measured with.

    Args:
        k: neighbour that balls reach to.
        batch_size: things at a time.
        keep: features that are kept, at most.

    Raises:
        ClarionError: naming the first that is too small.
    """
    for name, value, least in (("k", k, 1), ("batch_size", batch_size, 1), ("keep", keep, FEWEST)):
        if value < least:
            raise ClarionError(f"{name} must be at least {least}, got {value}.")


def kept_sizes(n: int, seed: int, keep: int) -> list[int]:
    """Of how many things of each group `gather` keeps the features."""
    groups = deal(n, seed)
    return [min(len(group), keep // len(groups)) for group in groups]


def kept_numbers(n: int, seed: int, kept: Sequence[Tensor]) -> list[Tensor]:
    """Of which things `gather` kept the features: the first of each group."""
    groups = deal(n, seed, len(kept))
    return [group[: len(part)] for group, part in zip(groups, kept, strict=True)]


def check_dim(dim: int) -> None:
    """Refuse more features than a covariance is gathered for.

    Raises:
        DataError: if there are more.
    """
    if dim > MOST_FEATURES:
        raise DataError(
            f"A Fréchet distance takes at most {MOST_FEATURES} features, got {dim}; "
            "choose another extractor, or other metrics."
        )


def _check(found: Tensor, numbers: Tensor, with_moments: bool) -> None:
    if with_moments:
        check_dim(found.shape[1])
    bad = ~found.isfinite().all(1)
    if bad.any():
        raise DataError(
            f"The features of number {int(numbers[bad][0])} are not finite (and "
            f"{int(bad.sum()) - 1} more like it); check the data and the extractor."
        )
