"""Intervals that hold for other listeners and other items: both are drawn anew, by themselves.

Each of many tables is made of listeners drawn with replacement and items drawn with replacement.
The interval lies between quantiles of what the tables give. For few listeners it would be too
narrow, so the quantiles are those at which a normal interval would become Student's.

Sources: Owen 2007, doi 10.1214/07-AOAS122 (both ways of drawing at once; it errs on the wide side
where the residual matters); Hesterberg 2015, doi 10.1080/00031305.2015.1089789, section 4.1.2
(wider quantiles).
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError
from clarion.evaluate.student import quantile

Array = NDArray[np.float64]

DRAWS = 4000


def crossed_interval(
    tables: tuple[Array, ...],
    statistic: Callable[..., Array],
    seed: int = 0,
    draws: int = DRAWS,
) -> tuple[float, float]:
    """The 95 % interval of a function of means of tables.

    Args:
        tables: (listeners, items) each, NaN where there is no answer; of the same listeners and
            items.
        statistic: of as many means, which are numbers or arrays (draws,).
        seed: of what is drawn.
        draws: how many.

    Raises:
        ClarionError: for fewer than two listeners or items with answers.
    """
    seen = np.isfinite(tables[0])
    answered = np.ix_(seen.any(1), seen.any(0))
    tables = tuple(table[answered] for table in tables)
    num_listeners, num_items = tables[0].shape
    if min(num_listeners, num_items) < 2:
        raise ClarionError(
            f"An interval takes at least 2 listeners and 2 items, got {num_listeners} and "
            f"{num_items}."
        )
    rng = np.random.default_rng(seed)
    listeners = rng.multinomial(num_listeners, [1 / num_listeners] * num_listeners, draws)
    items = rng.multinomial(num_items, [1 / num_items] * num_items, draws)
    means = []
    is_drawn = np.ones(draws, bool)
    for table in tables:
        seen = np.isfinite(table)
        total = ((listeners @ np.where(seen, table, 0.0)) * items).sum(1)
        count = ((listeners @ seen) * items).sum(1)
        is_drawn &= count > 0
        means.append(total / np.maximum(count, 1))
    values = statistic(*(mean[is_drawn] for mean in means))
    tail = tail_of(min(num_listeners, num_items))
    low, high = np.quantile(values, [tail, 1 - tail])
    return float(low), float(high)


def tail_of(n: int) -> float:
    """What is left out at each end for n units: 0.025 for many, less for few.

    Example:
        >>> round(tail_of(10), 4), round(tail_of(1000), 4)
        (0.0086, 0.0248)
    """
    z = math.sqrt(n / (n - 1)) * quantile(n - 1)
    return 0.5 * math.erfc(z / math.sqrt(2))
