"""Exponential multistep methods in the log noise level: DPM-Solver++ (2M, 3M) and UniPC.

With lambda = -log s the flow is dy/dlambda = D - y, whose linear part is solved exactly:

    y' = (s' / s) y + integral over [lambda, lambda'] of e^(u - lambda') D(u) du,

with D replaced by the polynomial in lambda through its last k values.

Sources: Lu et al. 2022, arXiv 2211.01095 (DPM-Solver++), algorithm 2 (2M); Crowson 2023,
k-diffusion (3M); Zhao et al. 2023, arXiv 2302.04867 (UniPC), equations 3 and 8: with exact weights
its free function B(h) cancels.
Departure: the 3M of DPM-Solver and k-diffusion weighs the second derivative of D by half of its
integral, which makes it a method of order 2; here it has the whole of it, and order 3.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from clarion.base.options import check_choice, check_whole
from clarion.sample.multistep import MultistepSampler, lagrange_integrals


@dataclass(frozen=True)
class _Exponential(MultistepSampler):
    def carry(self, level: float, next_level: float) -> float:
        return next_level / level

    def integrate(self, levels: Sequence[float], level: float, next_level: float) -> list[float]:
        nodes = [-math.log(at) for at in levels]
        end = -math.log(next_level)
        return lagrange_integrals(nodes, -math.log(level), end, lambda u: np.exp(u - end))


@dataclass(frozen=True)
class DPMpp2MSampler(_Exponential):
    """DPM-Solver++(2M). One evaluation a step, order 2.

    y' = (s' / s) y + (1 - e^-h) [(1 + 1/(2r)) D0 - 1/(2r) D1],  r = (last h) / h.

    Args:
        start: "euler", as published, or "corrected", which costs no evaluation more and has the
            smaller or nearly the same error at 6 to 20 evaluations; see `multistep.py`.
    """

    start: Literal["euler", "corrected"] = "corrected"

    def __post_init__(self) -> None:
        check_choice("start", self.start, ("euler", "corrected"))

    @property
    def num_values(self) -> int:
        return 2

    @property
    def first_steps(self) -> str:
        return self.start

    def predict(self, levels: Sequence[float], level: float, next_level: float) -> list[float]:
        # Published so: it differs from `integrate` by terms of the third order in h.
        gain = -math.expm1(math.log(next_level / level))
        if len(levels) == 1:
            return [gain]
        ratio = math.log(levels[1] / levels[0]) / math.log(level / next_level)
        return [gain * (1 + 1 / (2 * ratio)), -gain / (2 * ratio)]


@dataclass(frozen=True)
class DPMpp3MSampler(_Exponential):
    """DPM-Solver++(3M). One evaluation a step, and those of the start.

    It extrapolates through three values, and so wants steps whose length in log noise level changes
    little from one to the next: on `time_uniform`, whose last steps are much the longest, or with
    fewer than ten steps, 2M is more accurate.

    Args:
        start: "euler" (order 2), "corrected" (order 3) or "heun" (order 3, one evaluation more);
            see `multistep.py`.
    """

    start: Literal["euler", "corrected", "heun"] = "corrected"

    def __post_init__(self) -> None:
        check_choice("start", self.start, ("euler", "corrected", "heun"))

    @property
    def num_values(self) -> int:
        return 3

    @property
    def first_steps(self) -> str:
        return self.start


@dataclass(frozen=True)
class UniPCSampler(_Exponential):
    """UniPC: predicts from k values and corrects with one more. Order k + 1, up to 3.

    One evaluation a step: that at the predicted point serves the correction and the next step
    (mode PEC). The first step is predicted by Euler and then corrected, which leaves order 3.

    Args:
        solver_order: number k of values the predictor uses, 1 to 3. At 3 the start holds the order
            at 3; only the constant is smaller.
    """

    solver_order: int = 2

    def __post_init__(self) -> None:
        check_whole("solver_order", self.solver_order, 1, 3)

    @property
    def num_values(self) -> int:
        return self.solver_order

    @property
    def corrects_all(self) -> bool:
        return True
