"""Some values of the data are known; the others are filled in."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_tensor
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import Guidance, SampleSpace


@dataclass(frozen=True, eq=False)
class Inpaint(Guidance):
    """mean <- mask known + (1 - mask) mean: the known values are met exactly.

    Outpainting is the same, with the mask 1 within. With `ddpm` it is the replacement method of
    Song et al. 2021, with the noise on the known part carried along instead of drawn anew.

    The rest is not sampled from p(unknown | known), since the denoiser is told of the known part
    only under the noise of its time. For two values of N(0, 1) with correlation r, of which one is
    known to be k, the mean of the other becomes k (1 - sqrt(1 - r²)) / r with `ddpm`, between r k/2
    and r k, where it should be r k. Resampling mends it (`repaint`: Lugmayr et al. 2022); so does
    `MMPS` with the operator `Mask`, where the known values carry noise.

    Args:
        known: the known values, in data units, (*shape); what stands in other places is not read.
        mask: 1 where they are known, else 0; (*shape), or broadcast to it.

    Sources: Song et al. 2021, arXiv 2011.13456, appendix I.2; Lugmayr et al. 2022, arXiv
    2201.09865, equation 8.
    """

    known: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        super().__post_init__()
        check_tensor("known of inpaint", self.known)
        check_tensor("mask of inpaint", self.mask)
        if not ((self.mask == 0) | (self.mask == 1)).all():
            raise ClarionError("mask of inpaint must hold nothing but 0 and 1.")

    def bind(self, space: SampleSpace) -> Self:
        if self.known.shape != space.shape:
            raise ClarionError(
                f"known of inpaint must have the shape of a sample, {space.shape}, "
                f"got {tuple(self.known.shape)}."
            )
        try:
            mask = (self.mask == 1).broadcast_to(space.shape)
        except RuntimeError:
            raise ClarionError(
                f"mask of inpaint must have the shape of a sample, {space.shape}, or broadcast to "
                f"it; got {tuple(self.mask.shape)}."
            ) from None
        if not self.known[mask].isfinite().all():
            raise ClarionError("known of inpaint must hold finite numbers where mask is 1.")
        known = space.encode(self.known.to(space.device).unsqueeze(0))[0]
        return replace(self, known=known, mask=mask.to(space.device))

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        mean = denoiser(x_t, t, condition).mean
        return Estimate(torch.where(self.mask == 1, self.known.to(mean), mean))
