"""What a number of samples would have been without some of them: its interval, and its bias.

The samples are dealt into G groups. With T the number for all of them, and T_g what it is without
group g, the pseudo-values

    P_g = G T - (G - 1) T_g

are, to first order, independent draws of what is measured: their spread gives the error of T.
Their mean is T less a bias that goes like 1 / n: it is T extrapolated, in a straight line in 1 / n
through n and n (G - 1) / G, to infinitely many samples.

No sample is ever used twice, as by the bootstrap: a copy would be its own nearest neighbour.

Sources: Quenouille 1956, doi 10.1093/biomet/43.3-4.353; Tukey 1958, doi
10.1214/aoms/1177706647; Efron & Stein 1981, doi 10.1214/aos/1176345462 (the error comes out too
large rather than too small).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.evaluate.metric import Metric
from clarion.evaluate.student import quantile

GROUPS = 10


def deal(n: int, seed: int, groups: int = GROUPS) -> list[Tensor]:
    """The numbers 0..n - 1 in a random order, cut into groups of equal size, or nearly.

    The order follows from (n, seed), so two runs of as many samples are dealt alike.

    Raises:
        ClarionError: if there are not at least two for each group.
    """
    if n < 2 * groups:
        raise ClarionError(
            f"An interval takes at least {2 * groups} samples, 2 in each of {groups} groups, "
            f"got {n}."
        )
    order = torch.randperm(n, generator=torch.Generator().manual_seed(seed))
    return list(order.tensor_split(groups))


def pseudo_values(whole: float, without: Sequence[float]) -> tuple[float, ...]:
    """G T - (G - 1) T_g for each group g, from the number of all and those without a group."""
    groups = len(without)
    return tuple(groups * whole - (groups - 1) * part for part in without)


def variance_of_mean(parts: Sequence[float]) -> float:
    """The squared standard error of the mean of independent parts."""
    return float(np.var(parts, ddof=1)) / len(parts)


def with_interval(
    value: float,
    n: int,
    parts: Sequence[float],
    reference_parts: Sequence[float] = (),
    note: str = "",
) -> Metric:
    """A number with the 95 % interval that its pseudo-values give, by Student's t.

    Args:
        value: the number.
        n: of samples.
        parts: pseudo-values by groups of samples, kept on the metric to compare two runs by.
        reference_parts: those by groups of the reference, if its own chance is to be counted too.
        note: what else must be known to read it.
    """
    variances = [variance_of_mean(p) for p in (parts, reference_parts) if p]
    degrees = [len(p) - 1 for p in (parts, reference_parts) if p]
    half = half_width(variances, degrees)
    return Metric(value, n, value - half, value + half, note, tuple(parts))


def half_width(variances: Sequence[float], degrees: Sequence[int]) -> float:
    """Half of the 95 % interval of a sum of estimates, of these squared errors."""
    total = sum(variances)
    return quantile(effective_degrees(variances, degrees)) * math.sqrt(total) if total else 0.0


def effective_degrees(variances: Sequence[float], degrees: Sequence[int]) -> float:
    """Degrees of freedom of a sum of estimated variances.

    Source: Satterthwaite 1946, doi 10.2307/3002019.
    """
    shares = sum(v**2 / d for v, d in zip(variances, degrees, strict=True))
    return sum(variances) ** 2 / shares
