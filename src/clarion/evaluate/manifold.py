"""Precision, recall, density and coverage: do samples lie where the data do, and do they reach all?

Each point stands for a ball that reaches to its k-th nearest neighbour among its own kind.

    precision = share of samples in some ball of the reference
    recall    = share of the reference in some ball of the samples
    density   = mean number of the balls of the reference that hold a sample, divided by k
    coverage  = share of balls of the reference that hold a sample

For equal distributions density is 1 in expectation, and coverage 1 - prod_(i = 1..k) (m - i) /
(m + n - i) for n samples and a reference of m; precision and recall have no such value. All four
depend on k, n and m.

Precision and density are means over samples with the reference as it is. Recall and coverage are
shares of the reference, which depend on all samples at once: their intervals count the chance of
both.

Sources: Kynkäänniemi et al. 2019, arXiv 1904.06991, equations 1 to 3; Naeem et al. 2020, arXiv
2002.09797, equations 3 to 5 and section 3.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.evaluate.distances import blocks, squared_distances
from clarion.evaluate.jackknife import pseudo_values, with_interval
from clarion.evaluate.metric import Metric, share
from clarion.run.examples import OnProgress

K = 5


def manifold_metrics(
    samples: Sequence[Tensor],
    reference: Sequence[Tensor],
    k: int = K,
    on_progress: OnProgress | None = None,
) -> dict[str, Metric]:
    """All four, each with its interval.

    Args:
        samples: features of the samples (n_g, dim), dealt into groups (`jackknife.deal`).
        reference: those of the reference, dealt likewise.
        k: which neighbour a ball reaches to.
        on_progress: called with (rows done, rows in all).

    Raises:
        ClarionError: if the features differ in their number, or there are too few.
    """
    _check(samples, reference, k)
    centre = torch.cat(list(reference)).mean(0)
    x, y = (_Dealt([part - centre for part in parts]) for parts in (samples, reference))
    total, done = 2 * len(x.points) + 2 * len(y.points), 0

    def count(rows: slice) -> None:
        nonlocal done
        done += rows.stop - rows.start
        if on_progress is not None:
            on_progress(done, total)

    y_radii, x_radii = _radii(y, k, count)[0], _radii(x, k, count)
    holds = torch.empty(len(x.points), dtype=torch.int64, device=centre.device)
    for rows in blocks(len(x.points)):
        holds[rows] = (squared_distances(x.points[rows], y.points) <= y_radii).sum(1)
        count(rows)
    recalled, covered = [], []
    for rows in blocks(len(y.points)):
        squares = squared_distances(y.points[rows], x.points)
        recalled.append(_inside(squares, x, x_radii))
        is_in = squares <= y_radii[rows, None]
        covered.append(torch.stack([part.any(1) for part in is_in.split(x.sizes, 1)], 1))
        count(rows)
    by_subset = torch.cat(recalled), _without_each(torch.cat(covered))
    recall, coverage = (_share_of_reference(of, x, y) for of in by_subset)
    return {
        "precision": _precision(holds > 0, x),
        "recall": recall,
        "density": _density(holds.double() / k, x),
        "coverage": coverage,
    }


class _Dealt:
    """Points in the order of their groups, and where each group lies."""

    def __init__(self, parts: Sequence[Tensor]) -> None:
        self.points = torch.cat(list(parts))
        self.sizes = [len(part) for part in parts]

    def means(self, values: Tensor) -> list[float]:
        """The mean of a number of each point, in each group."""
        return [float(part.double().mean()) for part in values.split(self.sizes)]


def _radii(of: _Dealt, k: int, count: Callable[[slice], None]) -> Tensor:
    """Squared distances to the k-th neighbour, of all and then without each group, (1 + G, n)."""
    found = []
    for rows in blocks(len(of.points)):
        squares = squared_distances(of.points[rows], of.points)
        squares.diagonal(rows.start).fill_(torch.inf)  # nobody is a neighbour of their own
        groups = [
            part.topk(min(k, part.shape[1]), largest=False).values
            for part in squares.split(of.sizes, 1)
        ]
        subsets = [groups] + [[g for g in groups if g is not left] for left in groups]
        found.append(torch.stack([torch.cat(kept, 1).kthvalue(k).values for kept in subsets]))
        count(rows)
    return torch.cat(found, 1)


def _inside(squares: Tensor, x: _Dealt, radii: Tensor) -> Tensor:
    """Which rows lie in a ball of the samples: of all, then without each group, (rows, 1 + G)."""
    found = [(squares <= radii[0]).any(1)]
    starts = torch.tensor([0, *x.sizes]).cumsum(0).tolist()
    for group, (start, stop) in enumerate(pairwise(starts), 1):
        is_in = squares <= radii[group]
        is_in[:, start:stop] = False
        found.append(is_in.any(1))
    return torch.stack(found, 1)


def _without_each(groups: Tensor) -> Tensor:
    """From "is any of group g": whether there is any at all, and any without each g, (m, 1 + G)."""
    count = groups.sum(1, keepdim=True)
    return torch.cat([count > 0, count > groups.long()], 1)


def _precision(is_in: Tensor, x: _Dealt) -> Metric:
    metric = share(int(is_in.sum()), len(is_in))
    return replace(metric, parts=tuple(x.means(is_in)))


def _density(counts: Tensor, x: _Dealt) -> Metric:
    metric = with_interval(float(counts.mean()), len(counts), x.means(counts))
    if metric.value:
        return metric
    few = share(0, len(counts))  # no spread by which to tell its error: no more than of precision
    return replace(metric, high=few.high)


def _share_of_reference(is_in: Tensor, x: _Dealt, y: _Dealt) -> Metric:
    """A share of the reference, from what it is of all samples and without each group of them."""
    whole, *without = is_in.double().mean(0).tolist()
    parts = pseudo_values(whole, without)
    if whole in (0, 1):  # no spread by which to tell its error
        few = share(round(whole * len(is_in)), len(is_in))
        return replace(few, n=len(x.points), parts=parts)
    metric = with_interval(whole, len(x.points), parts, y.means(is_in[:, 0]))
    assert metric.low is not None
    assert metric.high is not None
    return replace(metric, low=max(0.0, metric.low), high=min(1.0, metric.high))


def _check(samples: Sequence[Tensor], reference: Sequence[Tensor], k: int) -> None:
    if samples[0].shape[1] != reference[0].shape[1]:
        raise ClarionError(
            f"Samples have {samples[0].shape[1]} features, the reference {reference[0].shape[1]}."
        )
    for parts, what in ((samples, "samples"), (reference, "the reference")):
        check_neighbours([len(part) for part in parts], k, what)


def check_neighbours(sizes: Sequence[int], k: int, what: str) -> None:
    """Refuse groups of these sizes, if without one there are not k neighbours for each.

    Raises:
        ClarionError: if there are not.
    """
    if k < 1:
        raise ClarionError(f"k must be at least 1, got {k}.")
    n, largest = sum(sizes), max(sizes)
    if n - largest <= k:
        raise ClarionError(
            f"k = {k} neighbours without a group of {largest} take more than {k + largest} of "
            f"{what}, got {n}."
        )
