"""How varied are samples of one class, beside real data of that class?

    diversity = mean over classes of the mean distance of two samples
                / mean over classes of the mean distance of two real examples

It is 1 for equal distributions and 0 where all samples of a class are the same; what guidance costs
shows here. Samples that scatter where no data are also raise it: read it beside precision. The
interval counts the chance of the samples and of the reference.

Source: the distance of features of pairs of one class, by another network, is that of Zhu et al.
2017, arXiv 1711.11586, section 4 (LPIPS); here as a share of what it is for data.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.evaluate.distances import blocks, squared_distances
from clarion.evaluate.jackknife import pseudo_values, with_interval
from clarion.evaluate.labelled import Labelled
from clarion.evaluate.metric import Metric
from clarion.run.examples import OnProgress


def diversity_metric(
    samples: Labelled, reference: Labelled, on_progress: OnProgress | None = None
) -> Metric:
    """Diversity within a class, with its interval; classes of which there are too few are left out.

    Args:
        samples: with what each was asked to be.
        reference: real data, in as many groups, with what each is.
        on_progress: called with (classes done, classes in all).

    Raises:
        DataError: if no class has two samples and two real examples in the groups but any one.
    """
    names = reference.class_names
    enough = _has_pairs(samples.counts()) & _has_pairs(reference.counts())
    classes = torch.nonzero(enough)[:, 0].tolist()
    if not classes:
        raise DataError(
            "Diversity takes two samples, and two real examples, of one class at least, whichever "
            f"group is left out; no class has them. Samples: {sum(map(len, samples.labels)):,} of "
            f"{len(names):,} classes."
        )
    x, y = [], []
    for done, number in enumerate(classes, 1):
        x.append(_mean_distances(samples, number))
        y.append(_mean_distances(reference, number))
        if on_progress is not None:
            on_progress(done, len(classes))
    (own, *without), (real, *real_without) = (torch.stack(d).mean(0).tolist() for d in (x, y))
    if not real:
        raise DataError("The real examples of each class have the same features: no diversity.")
    left_out = len(names) - len(classes)
    return with_interval(
        own / real,
        int(samples.counts()[:, classes].sum()),
        pseudo_values(own / real, [part / real for part in without]),
        pseudo_values(own / real, [own / part for part in real_without]),
        f"{left_out} of {len(names)} classes left out: too few" if left_out else "",
    )


def _has_pairs(counts: Tensor) -> Tensor:
    """Which classes have two of a kind whichever group is left out; of counts (groups, classes)."""
    return (counts.sum(0) - counts).amin(0) >= 2


def _mean_distances(of: Labelled, number: int) -> Tensor:
    """Mean distance of two of one class: in all groups, then without each, (1 + groups,)."""
    parts = [x[labels == number].double() for x, labels in zip(of.features, of.labels, strict=True)]
    sizes = [len(part) for part in parts]
    points = torch.cat(parts)
    points -= points.mean(0)
    sums = torch.zeros(len(parts), len(parts), dtype=torch.float64)
    groups = torch.arange(len(parts)).repeat_interleave(torch.tensor(sizes))
    for rows in blocks(len(points)):
        distances = squared_distances(points[rows], points).sqrt()
        distances.diagonal(rows.start).zero_()  # to themselves, but for rounding
        by_group = torch.stack([part.sum(1) for part in distances.split(sizes, 1)], 1)
        sums.index_add_(0, groups[rows], by_group)
    n, own = torch.tensor(sizes, dtype=torch.float64), sums.diagonal()
    totals = torch.cat([sums.sum()[None], sums.sum() - 2 * sums.sum(1) + own])
    left = torch.cat([n.sum()[None], n.sum() - n])
    return totals / (left * (left - 1))
