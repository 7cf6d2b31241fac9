"""Moment matching: the covariance of x0 given x_t, out of the denoiser's own derivative."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from clarion.guide.measurement.rule import Map, MatchedCovariance


@dataclass(frozen=True, eq=False)
class MMPS(MatchedCovariance):
    """p(y | x_t) = N(y; A D, A C Aᵀ + sigma_y² I) with C = Cov(x0 | x_t), for a linear operator.

    Exact on Gaussian data, with as many iterations as y has values. Each costs a pass backwards
    through the denoiser, and so does the gradient itself: num_iterations + 1 a step at most.

    The derivative of an exact denoiser is symmetric and not negative; that of a network is so but
    roughly, and the more exactly the system is solved, the more of its faults come to the fore. Few
    iterations, as the authors take, see only the directions in which the data varies most.

    Source: Rozet, Andry, Lanusse & Louppe 2024, arXiv 2405.13712, section 3.
    """

    num_iterations: int = 3

    def spread(self, v: Tensor, level: Tensor, covariance: Map) -> Tensor:
        return covariance(v)
