"""Guidance whose estimate keeps the standard deviation of the conditional one.

guided = D_0 + guidance_scale (D_c - D_0)
mean = phi guided std(D_c) / std(guided) + (1 - phi) guided

What is rescaled is the estimate of the clean data. Departure from the paper, which rescales the
output of its network, v: at the high noise levels for which it was made, alpha is near 0 there and
v is minus the estimate of the clean data.

Source: Lin, Liu, Li & Yang 2023, arXiv 2305.08891, section 3.4, equations 14 to 16.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.contrast.rule import Contrast
from clarion.guide.rule import SampleSpace


@dataclass(frozen=True)
class Rescale(Contrast):
    """CFG, rescaled; each standard deviation is that of all elements of one sample.

    Args:
        guidance_scale: 1 is the plain conditional model; 0 the unconditional one, rescaled.
        phi: share of the rescaled estimate, in [0, 1]; 0 is CFG.
    """

    phi: float = 0.7

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("phi", self.phi, 0, 1)

    def bind(self, space: SampleSpace) -> Self:
        if math.prod(space.shape) < 2:
            raise ClarionError(
                f"Rescaling needs samples of 2 or more elements, got shape {space.shape}."
            )
        return self

    def combine(
        self,
        worse: Estimate,
        better: Estimate,
        x_t: Tensor,
        t: Tensor,
        visit: Visit | None,
    ) -> Estimate:
        guided = Estimate.extrapolate(worse, better, self.scale(x_t, t, visit)).mean
        wanted, found = _deviation(better.mean), _deviation(guided)
        # A sample that is the same everywhere has no deviation to change.
        ratio = torch.where(found > 0, wanted / found, 1.0)
        return Estimate(guided * expand_like(self.phi * ratio + (1 - self.phi), guided))


def _deviation(x: Tensor) -> Tensor:
    """Standard deviation over all elements of a sample, (batch,)."""
    return x.flatten(1).std(dim=1, correction=0)
