"""The Fréchet distance of samples to a reference, and what it would be of infinitely many.

The distance of n samples lies above that of their distribution by about c / n, where c depends on
the model: a smaller distance at a given n need not be a better model. So beside the plain value
stands the one extrapolated to 1 / n = 0, both with an interval, from the same pseudo-values.
The reference is taken as it is: usually all the data there are.

Source: Chong & Forsyth 2020, arXiv 1911.07023 (the bias, and a straight line in 1 / n to be rid of
it; here the line goes through n and n less one group, where what is beyond 1 / n matters least).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clarion.evaluate.frechet import Rooted
from clarion.evaluate.jackknife import pseudo_values, with_interval
from clarion.evaluate.metric import Metric
from clarion.evaluate.moments import Moments, merge
from clarion.run.examples import OnProgress

FEWEST = 2048
"""Samples below which a distance is stated with a warning, as also where there are no more than
features."""


def frechet_metrics(
    groups: Sequence[Moments],
    reference: Moments,
    on_progress: OnProgress | None = None,
    name: str = "fid",
) -> dict[str, Metric]:
    """The distance, plain and extrapolated, by as many decompositions as there are groups, and two.

    Args:
        groups: moments of the samples, dealt into groups (`jackknife.deal`).
        reference: of the reference.
        on_progress: called with (distances done, distances in all).
        name: of the plain one; the other is "NAME, extrapolated".

    Raises:
        ClarionError: if the moments do not fit each other.
    """
    target = Rooted(reference.mean, reference.covariance, "reference")
    subsets = [list(groups)] + [[part for part in groups if part is not left] for left in groups]
    distances = []
    for subset in subsets:
        of = merge(subset)
        distances.append(
            Rooted(of.mean, of.covariance, "samples", len(target.mean)).distance(target)
        )
        if on_progress is not None:
            on_progress(len(distances), len(subsets))
    plain, *without = distances
    parts = pseudo_values(plain, without)
    n = sum(part.n for part in groups)
    note = _warning(n, reference.n, len(target.mean))
    metric = with_interval(plain, n, parts, note=note)
    return {
        name: replace(metric, low=max(0.0, metric.low or 0.0)),  # a distance is not below 0
        f"{name}, extrapolated": with_interval(
            float(np.mean(parts)), n, parts, note=note or "to infinitely many samples"
        ),
    }


def _warning(n: int, n_reference: int, dim: int) -> str:
    """What makes a distance unreliable; "" if nothing does."""
    for count, what in ((n, "samples"), (n_reference, "of the reference")):
        if count < FEWEST or count <= dim:
            least = max(FEWEST, dim + 1)
            return f"warning: fewer than {least:,} {what}; the bias is large and not linear"
    return ""
