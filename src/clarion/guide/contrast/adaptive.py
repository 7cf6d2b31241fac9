"""Adaptive guidance: CFG until both predictions agree, then the conditional model alone.

As soon as the cosine of the angle between both estimates of the clean data, D_0 and D_c, exceeds
gamma for a sample, that sample is left to the conditional model for the rest of the run.

Departure from the paper, which compares the predicted noises: what remains of x_t in them makes
those alike where there is much noise, 1 - cosine = O(|D_c - D_0|² / s²) at noise level s. On a
process that begins far out, such as `edm`, all samples would be left alone at the first stop. The
estimates differ most there, and agree as both come to x_t itself.

Source: Castillo et al. 2023, arXiv 2312.12487, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.options import check_number
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.compose import evaluate_each
from clarion.guide.contrast.cfg import CFG
from clarion.guide.contrast.rule import given, inner_product, is_number
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process


@dataclass(frozen=True)
class Adaptive(CFG):
    """CFG that saves the unconditional pass of samples that no longer need it.

    Each sample decides for itself, and both passes still run as one batch. To know who needs it,
    the host waits for the device once a stop. Asked without a stop it is CFG.

    Args:
        guidance_scale: 1 is the plain conditional model, 0 the unconditional one until then.
        gamma: the cosine above which a sample needs guidance no more, in [-1, 1]; at 1 each needs
            it to the end. The paper's values are of noises, and no guide here.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (GaussianProcess,)

    gamma: float = 0.998

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("gamma", self.gamma, -1, 1)

    @property
    def remembers(self) -> bool:
        return self.gamma < 1

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        scale, condition = self.scale(x_t, t, visit), given(condition)
        if visit is None:
            return super().steer(denoiser, x_t, t, condition, visit)
        rows = visit.memory.get("rows")
        if rows is None:
            rows = torch.arange(len(x_t), device=x_t.device)
        if is_number(scale, 1) or len(rows) == 0:
            return denoiser(x_t, t, condition)
        against = condition.opposite().rows(rows)
        worse, better = evaluate_each(
            denoiser, [(x_t[rows], t[rows], against), (x_t, t, condition)]
        )
        chosen = Estimate(better.mean[rows])
        cosine = _cosine(worse.mean, chosen.mean)
        visit.memory["rows"] = rows[cosine <= self.gamma]
        guided = Estimate.extrapolate(worse, chosen, scale).mean
        return Estimate(better.mean.index_copy(0, rows, guided))


def _cosine(a: Tensor, b: Tensor) -> Tensor:
    """Cosine of the angle between two tensors, over all elements of a sample, (batch,)."""
    length = (inner_product(a, a) * inner_product(b, b)).sqrt()
    return inner_product(a, b) / length.clamp_min(torch.finfo(a.dtype).tiny)
