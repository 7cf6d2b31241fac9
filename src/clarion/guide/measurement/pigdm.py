"""Pseudoinverse-guided diffusion: one variance for all that x_t leaves open."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from clarion.base.shapes import expand_like
from clarion.guide.measurement.rule import Map, MatchedCovariance


@dataclass(frozen=True, eq=False)
class PiGDM(MatchedCovariance):
    """p(y | x_t) = N(y; A D, r² A Aᵀ + sigma_y² I), r² = s² / (1 + s²), for a linear operator.

    r² is the variance of x0 given x_t for independent values of variance 1 (in model units), where
    the rule is exact. Values that vary more get samples that vary too little, and the other way
    round. One gradient a step; the iterations ask the operator alone.

    Source: Song, Vahdat, Mardani & Kautz 2023, Pseudoinverse-Guided Diffusion Models for Inverse
    Problems (ICLR), section 3.
    """

    num_iterations: int = 50

    def spread(self, v: Tensor, level: Tensor, covariance: Map) -> Tensor:
        return expand_like(level**2 / (1 + level**2), v) * v
