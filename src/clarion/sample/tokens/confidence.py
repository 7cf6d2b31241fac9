"""Unmasking in the order of confidence."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.options import check_choice
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import Masking, TokenProcess
from clarion.sample.tokens.remasking import check_masks
from clarion.sample.tokens.sampler import TokenSampler, TokenStage

Measure: TypeAlias = Literal["probability", "margin", "entropy"]


def _margin(p: Tensor) -> Tensor:
    best = p.topk(2, dim=-1).values
    return best[..., 0] - best[..., 1]


MEASURES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "probability": lambda p: p.amax(-1),
    "margin": _margin,
    "entropy": lambda p: torch.xlogy(p, p).sum(-1),
}
"""Name -> how sure probabilities (..., vocabulary) are: that of the likeliest token, its lead over
the next one, or their negative entropy."""


@dataclass(frozen=True)
class Confidence(TokenSampler):
    """Unmasks those positions first of which the model is most sure.

    At time s, round(alpha(s) length) positions are visible, or rather at least those that are
    already; which ones follows from the estimate alone, and each then takes a token drawn from it.
    With one position a step it draws from the model exactly, in an order that depends on the
    tokens; with more it is better than a random order where sure positions depend little on each
    other, and no number of steps beyond the length changes it.

    Args:
        measure: of sureness, a name in `MEASURES`.

    Sources: Chang et al. 2022, arXiv 2202.04200, section 3.2 (probability, there of the token that
    was drawn); Kim et al. 2025, arXiv 2502.06768 (margin).
    """

    measure: Measure = "probability"

    def __post_init__(self) -> None:
        check_choice("measure", self.measure, list(MEASURES))

    def check_process(self, process: TokenProcess) -> None:
        check_masks(self, process)

    def transition(self, stage: TokenStage, x: Tensor, estimate: TokenEstimate) -> Tensor:
        process = stage.process
        assert isinstance(process, Masking), "plan refuses others"
        p, is_masked = estimate.mean, x == process.mask
        alpha = float(process.alpha(torch.tensor(stage.next_t, dtype=torch.float64)))
        wanted = round(alpha * x.shape[1]) - (~is_masked).sum(1, keepdim=True)
        sureness = MEASURES[self.measure](p).masked_fill(~is_masked, -torch.inf)
        rank = sureness.argsort(dim=1, descending=True, stable=True).argsort(dim=1)
        is_next = is_masked & (rank < wanted)
        return torch.where(is_next.unsqueeze(-1), F.pad(p, (0, 1)), process.states(x, p))
