"""Ancestral sampling of tokens."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from clarion.denoise.estimate import TokenEstimate
from clarion.sample.tokens.sampler import TokenSampler, TokenStage, at


@dataclass(frozen=True)
class AncestralTokens(TokenSampler):
    """Each position by itself from p(x_s | x_t) = E[q(x_s | x_t, x0) | x_t].

    With one position it is exact in any number of steps; with several the error of a step is that
    positions which change together are drawn apart, and falls as the length of the steps.

    Sources: Austin et al. 2021, arXiv 2107.03006, equation 4; Sahoo et al. 2024, arXiv 2406.07524,
    section 3.2.2 (masks); Schiff et al. 2024, arXiv 2412.10193 (uniform).
    """

    def transition(self, stage: TokenStage, x: Tensor, estimate: TokenEstimate) -> Tensor:
        t, s = at(stage.t, x), at(stage.next_t, x)
        return stage.process.transition(x, t, s, estimate.mean)
