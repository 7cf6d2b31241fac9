"""Student's t distribution, of which the package needs two numbers and no further library.

With t = sqrt(df) tan(angle) its density is proportional to cos(angle)^(df - 1), which is summed by
Gauss and Legendre's rule. Source: Abramowitz & Stegun 1964, 26.7.
"""

from __future__ import annotations

import math

import numpy as np

NODES, WEIGHTS = np.polynomial.legendre.leggauss(256)


def two_sided_p(t: float, df: float) -> float:
    """The probability that |T| is at least |t|, for T of `df` >= 1 degrees of freedom.

    Example:
        >>> round(two_sided_p(2.262157, 9), 6)
        0.05
    """
    start = math.atan(abs(t) / math.sqrt(df))
    half = (math.pi / 2 - start) / 2
    tail = half * float(WEIGHTS @ np.cos(start + half * (NODES + 1)) ** (df - 1))
    log_whole = math.lgamma(df / 2) + math.log(math.pi) / 2 - math.lgamma((df + 1) / 2)
    return min(1.0, 2 * tail * math.exp(-log_whole))


def quantile(df: float, p: float = 0.05) -> float:
    """The t of which `two_sided_p` is `p`, by halving an interval; 1.96 for many degrees."""
    low, high = 0.0, 1.0
    while two_sided_p(high, df) > p:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if two_sided_p(middle, df) > p else (low, middle)
    return high
