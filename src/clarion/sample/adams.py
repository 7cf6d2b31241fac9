"""Adams-Bashforth methods in the noise level: DEIS and iPNDM.

The flow dy/ds = d, d = (y - D) / s, is integrated as y' = y + integral of d(u) du over [s, s'],
with d replaced by the polynomial in s through its last k values.

Sources: Zhang & Chen 2022, arXiv 2204.13902, equation 17 with rho = sigma / alpha as the time
(their rhoAB-DEIS), and its iPNDM; Liu et al. 2022, arXiv 2202.09778 (PNDM).
Departure: iPNDM was published with the weights of equal steps (55, -59, 37, -9) / 24, which have
order 1 on any other grid; here they are those of the steps that are taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from clarion.base.options import check_choice, check_whole
from clarion.sample.multistep import MultistepSampler, euler_correction, lagrange_integrals


@dataclass(frozen=True)
class _AdamsBashforth(MultistepSampler):
    """One evaluation a step, and those of the start.

    Args:
        solver_order: number k of values used, 1 to 4.
        start: "euler" (leaves order 2), "corrected" (3), "heun" (3, one evaluation more; for k
            of 3 and 4) or "runge_kutta" (4, two evaluations more; for k of 4); see `multistep.py`.
    """

    uses_residuals: ClassVar[bool] = True

    solver_order: int = 3
    start: Literal["euler", "corrected", "heun", "runge_kutta"] = "corrected"

    def __post_init__(self) -> None:
        check_whole("solver_order", self.solver_order, 1, 4)
        # A start that leaves more order than k values can have would cost evaluations for nothing.
        starts = ["euler", "corrected", "heun", "runge_kutta"][: max(2, self.solver_order)]
        check_choice("start", self.start, starts)

    @property
    def num_values(self) -> int:
        return self.solver_order

    @property
    def first_steps(self) -> str:
        return self.start

    def carry(self, level: float, next_level: float) -> float:
        return 1.0

    def integrate(self, levels: Sequence[float], level: float, next_level: float) -> list[float]:
        weights = lagrange_integrals(levels, level, next_level)
        # The history holds r = y - D = s d.
        return [weight / at for weight, at in zip(weights, levels, strict=True)]

    def correct(self, levels: Sequence[float], predicted: Sequence[float]) -> list[float]:
        if len(predicted) > 1:
            return super().correct(levels, predicted)
        # An Euler step to y' has D' - D = (s' / s) r - r'. The trapezoid rule in s is of the same
        # order, but on a first step from s = 400 to 10 it moves y by far more than the noise there.
        next_level, level = levels
        weight = euler_correction(level, next_level)
        return [-weight, weight * next_level / level]


@dataclass(frozen=True)
class DEISSampler(_AdamsBashforth):
    __doc__ = f"rhoAB-DEIS, by default of order 3. {_AdamsBashforth.__doc__}"


@dataclass(frozen=True)
class IPNDMSampler(_AdamsBashforth):
    __doc__ = f"iPNDM, with four values by default. {_AdamsBashforth.__doc__}"

    solver_order: int = 4
