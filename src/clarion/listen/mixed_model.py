"""Differences as a mean, a part of the listener, a part of the item, and the rest.

    d_ij = mean + a_i + b_j + e_ij,    a ~ N(0, var_a), b ~ N(0, var_b), e ~ N(0, var_e)

fitted by restricted maximum likelihood, so that the error of the mean counts that other listeners
and other items would have been as good. Answers may be missing. Of a full table with no part at 0
it is the analysis of variance of two crossed random factors.

Sources: Patterson & Thompson 1971, doi 10.1093/biomet/58.3.545 (likelihood); Satterthwaite 1946,
doi 10.2307/3002019 (degrees of freedom).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError
from clarion.evaluate.student import quantile, two_sided_p

Array = NDArray[np.floating]

MOST_STEPS = 200
TOLERANCE = 1e-10

LEAST_REST = 1e-6
"""Least variance of the rest, as a share of that of all differences: without it, as where all
listeners agree on each item, there is no likelihood."""


@dataclass(frozen=True)
class MixedModel:
    """What was fitted.

    Args:
        mean: of the differences.
        low: lower end of its 95 % interval.
        high: upper end.
        p: two-sided probability of a mean so far from 0.
        degrees: of freedom.
        sd_listener: standard deviation of the listeners' parts.
        sd_item: of the items' parts.
        sd_residual: of the rest.
    """

    mean: float
    low: float
    high: float
    p: float
    degrees: float
    sd_listener: float
    sd_item: float
    sd_residual: float


def fit(differences: Array) -> MixedModel:
    """Fit the model.

    Args:
        differences: (listeners, items), NaN where there is none.

    Raises:
        ClarionError: for fewer than two listeners or items, or if all differences are equal.
    """
    seen = np.isfinite(differences)
    rows, columns = np.nonzero(seen)
    if len(set(rows)) < 2 or len(set(columns)) < 2:
        raise ClarionError(
            "A mixed model takes at least 2 listeners and 2 items, got "
            f"{len(set(rows))} and {len(set(columns))}."
        )
    d = differences[seen]
    if np.ptp(d) == 0:
        raise ClarionError(f"All differences are {d[0]:g}; there is no spread to judge by.")
    parts = np.stack(
        [rows[:, None] == rows, columns[:, None] == columns, np.eye(len(d), dtype=bool)]
    ).astype(float)
    variances = _variances(d, parts)
    inverse = np.linalg.inv(np.tensordot(variances, parts, 1))
    weights = inverse.sum(0)  # V^-1 1
    variance = 1 / weights.sum()
    mean = float(variance * (weights @ d))
    used = variances > 0
    slopes = np.array([variance**2 * weights @ part @ weights for part in parts[used]])
    information = _information(_projected(inverse), parts[used])
    degrees = float(2 * variance**2 / (slopes @ _solved(information, slopes)))
    degrees = max(1.0, degrees)
    half = quantile(degrees) * math.sqrt(variance)
    p = two_sided_p(mean / math.sqrt(variance), degrees)
    sds = (float(sd) for sd in np.sqrt(variances))
    return MixedModel(mean, mean - half, mean + half, p, degrees, *sds)


def _variances(d: Array, parts: Array) -> Array:
    """Those of the greatest restricted likelihood, by Fisher's scoring; none is below its least."""
    variances = np.full(len(parts), d.var() / len(parts))
    least = np.array([0.0] * (len(parts) - 1) + [LEAST_REST * d.var()])
    likelihood = _log_likelihood(d, parts, variances)
    for _ in range(MOST_STEPS):
        projected = _projected(np.linalg.inv(np.tensordot(variances, parts, 1)))
        residual = projected @ d
        slope = 0.5 * np.array(
            [residual @ part @ residual - (projected * part).sum() for part in parts]
        )
        # A variance at its least that would fall stays there.
        free = (variances > least) | (slope > 0)
        step = np.zeros(len(parts))
        step[free] = _solved(_information(projected, parts[free]), slope[free])
        length = 1.0
        while length > TOLERANCE:
            tried = np.maximum(variances + length * step, least)
            tried[-1] = max(tried[-1], variances[-1] / 10)  # a step may be far too long
            reached = _log_likelihood(d, parts, tried)
            if reached >= likelihood:
                break
            length /= 2
        else:
            return variances
        moved = np.abs(tried - variances).max()
        variances, likelihood = tried, reached
        if moved <= TOLERANCE * d.var():
            return variances
    return variances


def _log_likelihood(d: Array, parts: Array, variances: Array) -> float:
    V = np.tensordot(variances, parts, 1)
    inverse = np.linalg.inv(V)
    squares = d @ _projected(inverse) @ d
    return -0.5 * float(np.linalg.slogdet(V)[1] + math.log(inverse.sum()) + squares)


def _projected(inverse: Array) -> Array:
    """V^-1 without what a common mean explains: V^-1 - V^-1 1 1' V^-1 / (1' V^-1 1)."""
    weights = inverse.sum(0)
    return inverse - np.outer(weights, weights) / weights.sum()


def _solved(information: Array, right: Array) -> Array:
    """What the information takes to `right`; parts that cannot be told apart share it."""
    scale = np.sqrt(np.diag(information))
    scaled = information / np.outer(scale, scale)
    return np.linalg.lstsq(scaled, right / scale)[0] / scale


def _information(projected: Array, parts: Array) -> Array:
    """Fisher's information on the variances, tr(P K_i P K_j) / 2."""
    products = [projected @ part for part in parts]
    return 0.5 * np.array([[(a * b.T).sum() for b in products] for a in products])
