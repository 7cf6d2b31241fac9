"""Linear multistep methods on grids of any spacing: what they share.

On a step from noise level s to s' the flow is solved as

    y' = carry y + integral of kernel(u) f(u) du,

in which f is replaced by the polynomial through its last values f_j, so that

    y' = carry y + sum_j w_j f_j,        w_j = integral of kernel(u) l_j(u) du

with l_j the Lagrange basis. Over the values up to that at s it is a predictor (Adams-Bashforth);
over those and the one at s' a corrector (Adams-Moulton). A correction is the difference of the two,
a sum of values that are known once the denoiser was asked at the predicted point: it costs no
evaluation of its own, and merges with the step after it into one stage.

A method of k values has none to start from. Lower orders in its first steps leave an error that
refining the grid does not remove fast enough, however good the later steps are. The starts, with
the order they allow and the evaluations they cost beyond one a step:

    euler        2   0   orders 1, 2, ..., k one after the other
    corrected    3   0   the same, and the first step corrected
    heun         3   1   the same, and the corrected point asked again
    runge_kutta  4   2   first step by Kutta's third-order method, the second corrected

Sources: Hairer, Norsett & Wanner 1993, Solving Ordinary Differential Equations I, III.1 and III.5
(variable steps); Kutta 1901 (the third-order method: II.1, table 1.2).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np

from clarion.sample.plan import Update
from clarion.sample.sampler import AffineSampler, final_update

ORDER_LEFT_BY = {"euler": 2, "corrected": 3, "heun": 3, "runge_kutta": 4}
"""Start -> the highest order that it leaves to a multistep method."""

Combination = dict[int, float]
"""Number of an evaluation -> its weight."""


def lagrange_integrals(
    nodes: Sequence[float],
    start: float,
    end: float,
    kernel: Callable[[np.ndarray], np.ndarray] = np.ones_like,
) -> list[float]:
    """Integral over [start, end] of kernel(u) l_j(u) for each Lagrange polynomial l_j of the nodes.

    By Gauss-Legendre quadrature, exact to rounding for polynomials and exponentials; closed forms
    cancel on short steps.

    Example:
        >>> [round(w, 12) for w in lagrange_integrals([0.0, -1.0], 0.0, 1.0)]  # Adams-Bashforth
        [1.5, -0.5]
    """
    x, weight = _gauss_legendre()
    u = (start + end) / 2 + (end - start) / 2 * x
    weight = (end - start) / 2 * weight * kernel(u)
    differences = [u - node for node in nodes]
    integrals = []
    for j, node in enumerate(nodes):
        basis = weight
        for i, other in enumerate(nodes):
            if i != j:
                basis = basis * differences[i] / (node - other)
        integrals.append(math.fsum(basis.tolist()))
    return integrals


@cache
def _gauss_legendre() -> tuple[np.ndarray, np.ndarray]:
    return np.polynomial.legendre.leggauss(32)


@dataclass(frozen=True)
class MultistepSampler(AffineSampler):
    """A multistep method; a family states `carry`, `integrate` and how f follows from the history.

    All are deterministic.
    """

    @property
    @abstractmethod
    def num_values(self) -> int:
        """k: how many values of f the predictor uses."""

    @property
    def first_steps(self) -> str:
        """The start, a name in `ORDER_LEFT_BY`."""
        return "euler"

    @property
    def corrects_all(self) -> bool:
        """Whether each step is corrected, not only those of the start."""
        return False

    @property
    def order(self) -> int:
        if self.corrects_all:
            return min(self.num_values + 1, 3)
        return min(self.num_values, ORDER_LEFT_BY[self.first_steps])

    @property
    def is_stochastic(self) -> bool:
        return False

    @abstractmethod
    def carry(self, level: float, next_level: float) -> float:
        """Weight of y in a step."""

    @abstractmethod
    def integrate(self, levels: Sequence[float], level: float, next_level: float) -> list[float]:
        """Weights in the step of the entries of the history that lie at `levels`."""

    def predict(self, levels: Sequence[float], level: float, next_level: float) -> list[float]:
        """The predictor's weights; `integrate`, where a published method has no others."""
        return self.integrate(levels, level, next_level)

    def correct(self, levels: Sequence[float], predicted: Sequence[float]) -> list[float]:
        """Weights of the correction, once the value at the end of a step is known.

        Args:
            levels: where the values lie, newest first: the end of the step, its beginning, and so
                on.
            predicted: the predictor's weights of all but the first.
        """
        corrector = self.integrate(levels, levels[1], levels[0])
        return [w - p for w, p in zip(corrector, [0.0, *predicted], strict=True)]

    def updates(self, levels: list[float]) -> list[Update]:
        updates: list[Update] = []
        nodes: list[int] = []  # evaluations that lie on the flow, newest first
        predicted: Combination = {}
        for n, (level, next_level) in enumerate(pairwise(levels)):
            nodes.insert(0, len(updates))
            if next_level == 0:
                updates.append(final_update(level, self.uses_residuals))
                break
            if n == 0 and self.first_steps == "runge_kutta":
                updates += kutta_step(level, next_level)
                continue
            correction: Combination = {}
            if self._is_corrected(n):
                used = nodes[: len(predicted) + 1]
                at = [level, *(updates[i].level for i in used[1:])]
                weights = self.correct(at, [predicted[i] for i in used[1:]])
                correction = dict(zip(used, weights, strict=True))
                if self.first_steps == "heun" and n == 1:
                    updates.append(_update(level, level, 1.0, correction, len(updates)))
                    nodes[0], correction = len(updates), {}
            used = nodes[: self.num_values]
            at = [level, *(updates[i].level for i in used[1:])]
            predicted = dict(zip(used, self.predict(at, level, next_level), strict=True))
            carry = self.carry(level, next_level)
            merged = _add(predicted, correction, carry)
            updates.append(_update(level, next_level, carry, merged, len(updates)))
        return updates

    def _is_corrected(self, n: int) -> bool:
        """Whether step n - 1 is corrected with what was learnt at its end."""
        if self.corrects_all:
            return n > 0
        return n == {"euler": -1, "corrected": 1, "heun": 1, "runge_kutta": 2}[self.first_steps]


def euler_correction(level: float, next_level: float) -> float:
    """Weight w in y' + w (D' - D), which makes a step of Euler's one of the second order.

    w = 1 - (1 - q) / log(1 / q), q = s' / s: the integral of e^(u - lambda') (u - lambda) / h du.
    """
    ratio = next_level / level
    return 1 - (1 - ratio) / -math.log(ratio)


def kutta_step(level: float, next_level: float) -> list[Update]:
    """Kutta's third-order step for dy/ds = d = r / s, each stage stated from the one before it.

    y + h/2 d1, y + h (2 d2 - d1) and y + h/6 (d1 + 4 d2 + d3).
    """
    h, middle = next_level - level, (level + next_level) / 2
    return [
        Update(level, middle, 1.0, (h / 2 / level,)),
        Update(middle, next_level, 1.0, (2 * h / middle, -3 / 2 * h / level)),
        Update(
            next_level,
            next_level,
            1.0,
            (h / 6 / next_level, -4 / 3 * h / middle, 7 / 6 * h / level),
        ),
    ]


def _add(left: Combination, right: Combination, scale: float) -> Combination:
    """left + scale right."""
    return {i: left.get(i, 0.0) + scale * right.get(i, 0.0) for i in left | right}


def _update(
    level: float, next_level: float, keep: float, combination: Combination, now: int
) -> Update:
    """An update at evaluation number `now`, with its weights in the order of the history."""
    oldest = min(combination)
    weights = tuple(combination.get(i, 0.0) for i in range(now, oldest - 1, -1))
    return Update(level, next_level, keep, weights)
