"""The kernel distance of samples to a reference (KID), without bias at any number of samples.

With k(x, y) = (x.y / dim + 1)³, samples x_1 ... x_n and a reference y_1 ... y_m,

    KID = mean of k(x_i, x_j) over i != j  +  mean of k(y_i, y_j) over i != j
          - 2 mean of k(x_i, y_j),

whose expectation is the squared maximum mean discrepancy: 0 for equal distributions, where the
number itself falls on either side of 0. All pairs are used, no subsets of them. The error counts
the chance of the samples and of the reference; for equal distributions it comes out too large by
about sqrt(2), never too small.

Sources: Bińkowski et al. 2018, arXiv 1801.01401, section 4; Gretton et al. 2012, JMLR 13, equation
3; Arvesen 1969, doi 10.1214/aoms/1177697287 (the jackknife of such averages over pairs).
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.evaluate.jackknife import pseudo_values, with_interval
from clarion.evaluate.metric import Metric
from clarion.run.examples import OnProgress


def cubic_kernel(a: Tensor, b: Tensor) -> Tensor:
    """(x.y / dim + 1)³ for each row x of `a` (n, dim) and y of `b` (m, dim): (n, m)."""
    return (a @ b.mT / a.shape[1] + 1) ** 3


def kernel_metric(
    samples: Sequence[Tensor], reference: Sequence[Tensor], on_progress: OnProgress | None = None
) -> Metric:
    """KID with its interval.

    Args:
        samples: features of the samples (n_g, dim), dealt into groups (`jackknife.deal`).
        reference: those of the reference, dealt likewise.
        on_progress: called with (blocks of the kernel done, blocks in all).

    Raises:
        ClarionError: if the features differ in their number.
    """
    if samples[0].shape[1] != reference[0].shape[1]:
        raise ClarionError(
            f"Samples have {samples[0].shape[1]} features, the reference {reference[0].shape[1]}."
        )
    groups = [*samples, *reference]
    sums = _sums(groups, on_progress)
    sizes = torch.tensor([len(part) for part in groups], dtype=torch.float64)
    x = list(range(len(samples)))
    y = list(range(len(samples), len(groups)))
    whole = _estimate(sums, sizes, x, y)
    without_x = [_estimate(sums, sizes, [g for g in x if g != left], y) for left in x]
    without_y = [_estimate(sums, sizes, x, [g for g in y if g != left]) for left in y]
    return with_interval(
        whole,
        int(sizes[x].sum()),
        pseudo_values(whole, without_x),
        pseudo_values(whole, without_y),
    )


def _sums(groups: Sequence[Tensor], on_progress: OnProgress | None) -> Tensor:
    """Sums of the kernel over each pair of groups (G, G), a sample with itself left out."""
    count, done = len(groups), 0
    sums = torch.zeros(count, count, dtype=torch.float64)
    for i, a in enumerate(groups):
        for j, b in enumerate(groups[: i + 1]):
            kernel = cubic_kernel(a.double(), b.double())
            total = kernel.sum() - (kernel.diagonal().sum() if i == j else 0)
            sums[i, j] = sums[j, i] = total
            done += 1
            if on_progress is not None:
                on_progress(done, count * (count + 1) // 2)
    return sums


def _estimate(sums: Tensor, sizes: Tensor, x: list[int], y: list[int]) -> float:
    """KID of some groups of samples and some of the reference."""
    n, m = sizes[x].sum(), sizes[y].sum()
    within_x = sums[x][:, x].sum() / (n * (n - 1))
    within_y = sums[y][:, y].sum() / (m * (m - 1))
    return float(within_x + within_y - 2 * sums[x][:, y].sum() / (n * m))
