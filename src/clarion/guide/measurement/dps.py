"""Diffusion posterior sampling: the data is taken to be where the estimate is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from clarion.base.options import check_number
from clarion.base.shapes import expand_like
from clarion.guide.measurement.rule import Map, Measured


@dataclass(frozen=True, eq=False)
class DPS(Measured):
    """p(y | x_t) = N(y; A(D), (sigma_y² + gamma s²) I), for any differentiable operator.

    At gamma = 0 the doubt about x0 that x_t leaves is neglected: the measurement is trusted too
    much, and the samples vary too little. On data N(0, 1) seen directly their variance is
    exp(-1 / sigma_y²), where it should be 1 / (1 + 1 / sigma_y²); a sigma_y far below the spread
    of the data then also needs many steps. A gamma of the variance of the data mends most of it;
    then the doubt is put too high, and the samples vary somewhat too much.

    Departure from Chung et al.: the gradient has the weight of the likelihood; they divide the
    step by the norm of the residual and tune it by hand.

    Args:
        gamma: at least 0, in (units of y)² for each unit of noise on the data in model units.

    Sources: Chung et al. 2023, arXiv 2209.14687, theorem 1 (gamma = 0); Rozet & Louppe 2023, arXiv
    2306.10574, section 3.2 (gamma > 0).
    """

    needs_linear: ClassVar[bool] = False

    gamma: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("gamma", self.gamma, 0)

    def solve(self, residual: Tensor, mean: Tensor, level: Tensor, covariance: Map) -> Tensor:
        return residual / expand_like(self.sigma_y**2 + self.gamma * level**2, residual)
