"""Adaptive projected guidance: without the part that only makes the estimate larger.

mean = D_c + (guidance_scale - 1) (orthogonal + eta parallel)

where the difference D_c - D_0 is split into its parts parallel and orthogonal to D_c. Before that,
a running sum of the differences may stand for it, and its norm may be bounded.

Source: Sadat, Hilliges & Weber 2024, arXiv 2410.02416, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.contrast.rule import Contrast, projection


@dataclass(frozen=True)
class APG(Contrast):
    """Adaptive projected guidance; with eta = 1 and the other settings left, it is CFG.

    Args:
        guidance_scale: 1 is the plain conditional model; 0 is D_c less the changed difference.
        eta: share of the parallel part that is kept; 1 keeps all.
        norm_threshold: bound of the difference's norm over all elements of a sample, in the units
            of the model, above 0; None for none.
        momentum: weight in (-1, 1) of the earlier sum in that of this stop; the paper takes a
            negative one, which pushes away from where guidance went before. Each evaluation by the
            sampler is a stop.
    """

    eta: float = 0.0
    norm_threshold: float | None = None
    momentum: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("eta", self.eta)
        if self.norm_threshold is not None:
            check_number("norm_threshold", self.norm_threshold, 0, excludes_low=True)
        check_number("momentum", self.momentum)
        if not -1 < self.momentum < 1:
            raise ClarionError(f"momentum must lie between -1 and 1, got {self.momentum}.")

    @property
    def remembers(self) -> bool:
        return self.momentum != 0

    def combine(
        self,
        worse: Estimate,
        better: Estimate,
        x_t: Tensor,
        t: Tensor,
        visit: Visit | None,
    ) -> Estimate:
        difference = self._bounded(self._summed(better.mean - worse.mean, visit))
        kept = difference - (1 - self.eta) * projection(difference, better.mean)
        return Estimate.extrapolate(Estimate(better.mean - kept), better, self.scale(x_t, t, visit))

    def _summed(self, difference: Tensor, visit: Visit | None) -> Tensor:
        if self.momentum == 0 or visit is None:
            return difference
        if "sum" in visit.memory:
            difference = difference + self.momentum * visit.memory["sum"]
        visit.memory["sum"] = difference
        return difference

    def _bounded(self, difference: Tensor) -> Tensor:
        if self.norm_threshold is None:
            return difference
        norm = difference.flatten(1).norm(dim=1).clamp_min(torch.finfo(difference.dtype).tiny)
        return difference * expand_like((self.norm_threshold / norm).clamp(max=1), difference)
