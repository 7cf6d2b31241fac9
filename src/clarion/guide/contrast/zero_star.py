"""CFG-Zero*: the unconditional velocity scaled to fit the conditional one best.

v = s v_0 + guidance_scale (v_c - s v_0),        s = <v_c, v_0> / |v_0|²

with the flow velocity v = E[noise | x_t] - E[x0 | x_t] and one s a sample: s v_0 is the projection
of v_c onto v_0. On another process than the straight flow it is the velocity of the straight path
through the same point, as everywhere in this library.

Source: Fan, Zheng, Yeh & Liu 2025, arXiv 2503.18886, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.options import check_whole
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.contrast.cfg import CFG
from clarion.guide.contrast.rule import is_number, projection
from clarion.guide.rule import Guidance
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process


@dataclass(frozen=True)
class CFGZero(CFG):
    """CFG with the optimised scale and, if wanted, first stops at which nothing moves.

    `zero_init` is off by default: it was made for samplers that ask once a step and for networks
    whose first steps are worse than none. With a sampler that reuses earlier estimates, a zero
    velocity would also enter later steps.

    Args:
        guidance_scale: 1 is the plain conditional model, 0 the unconditional one times s.
        zero_init: how many of the first stops have a velocity of 0; the model is not asked there.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (GaussianProcess,)

    zero_init: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("zero_init", self.zero_init, 0)

    def is_active_at(self, t: float) -> bool:
        return Guidance.is_active_at(self, t) if self.zero_init else super().is_active_at(t)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        process = denoiser.process
        if self._is_first(visit):
            return _of_velocity(process, torch.zeros_like(x_t), x_t, t)
        scale = self.scale(x_t, t, visit)
        if is_number(scale, 1):
            return denoiser(x_t, t, condition)
        worse, better = (
            estimate.noise(process, x_t, t) - estimate.mean
            for estimate in self.estimates(denoiser, x_t, t, condition)
        )
        best = projection(better, worse)
        start, end = (_of_velocity(process, v, x_t, t) for v in (best, better))
        return Estimate.extrapolate(start, end, scale)

    def _is_first(self, visit: Visit | None) -> bool:
        if visit is None:
            return self.zero_init > 0
        stop = visit.memory.get("stop", 0)
        visit.memory["stop"] = stop + 1
        return stop < self.zero_init


def _of_velocity(process: GaussianProcess, v: Tensor, x_t: Tensor, t: Tensor) -> Estimate:
    """The estimate whose flow velocity is v: mean = (x_t - sigma v) / (alpha + sigma)."""
    alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
    return Estimate((x_t - sigma * v) / (alpha + sigma))
