"""Remasking: a token that was drawn too early may be drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import Masking, TokenProcess
from clarion.sample.tokens.sampler import TokenSampler, TokenStage


@dataclass(frozen=True)
class Remasking(TokenSampler):
    """A visible token is masked again with the probability sigma in each step (ReMDM).

        p(x_s | x_t visible) = (1 - sigma) [x_t] + sigma [mask]
        p(x_s | x_t masked) = (alpha_s - (1 - sigma) alpha_t) / (1 - alpha_t) p(x0 | x_t), or mask

    As many tokens are visible at each time as without it; sigma 0 is ancestral sampling.

    Args:
        rate: sigma for each unit of time, at least 0; None takes 1, if there is no share.
        share: instead of that, sigma as a share in [0, 1] of the most there can be, min(1, (1 -
            alpha_s) / alpha_t). However short the steps, each then draws as much again, and the law
            of the samples tends to that of the model more slowly.

    Source: Wang, Schiff, Sahoo & Kuleshov 2025, arXiv 2503.00307, equations 4 to 6, and the
    schedules "rescale" (share) of section 4.1.
    """

    rate: float | None = None
    share: float | None = None

    def __post_init__(self) -> None:
        if self.share is not None:
            check_number("share", self.share, 0, 1)
        if self.rate is not None:
            check_number("rate", self.rate, 0)
        if self.share is not None and self.rate is not None:
            raise ClarionError(f"Give rate or share, got {self.rate} and {self.share}.")

    def check_process(self, process: TokenProcess) -> None:
        check_masks(self, process)

    def transition(self, stage: TokenStage, x: Tensor, estimate: TokenEstimate) -> Tensor:
        process = stage.process
        assert isinstance(process, Masking), "plan refuses others"
        times = torch.tensor([stage.next_t, stage.t], dtype=torch.float64)
        alpha_s, alpha_t = process.alpha(times).tolist()
        most = min(1.0, (1 - alpha_s) / alpha_t) if alpha_t else 1.0
        if self.share is not None:
            sigma = self.share * most
        else:
            rate = 1.0 if self.rate is None else self.rate
            sigma = min(most, rate * (stage.t - stage.next_t))
        shown = (alpha_s - (1 - sigma) * alpha_t) / (1 - alpha_t)
        p = estimate.mean
        of_masked = torch.cat([shown * p, torch.full_like(p[..., :1], 1 - shown)], -1)
        of_visible = (1 - sigma) * process.states(x, p)
        of_visible[..., process.mask] += sigma
        return torch.where((x == process.mask).unsqueeze(-1), of_masked, of_visible)


def check_masks(sampler: TokenSampler, process: TokenProcess) -> None:
    """Refuse a process without a mask.

    Raises:
        ClarionError: naming a sampler that serves it.
    """
    if not isinstance(process, Masking):
        raise ClarionError(f"{sampler} needs masked tokens; for {process} take 'ancestral'.")
