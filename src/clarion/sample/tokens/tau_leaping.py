"""Tau-leaping: the reversed chain with its rates held still for a step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.denoise.estimate import TokenEstimate
from clarion.sample.tokens.sampler import TokenSampler, TokenStage, at


@dataclass(frozen=True)
class TauLeaping(TokenSampler):
    """Rates of the time t hold until s; a position jumps at most once.

    P(stay) = exp(-(t - s) sum_b rate(b)), and b is chosen in proportion to its rate. The last step,
    to the data, takes what the estimate says of each position, where the rates have no bound.

    Departure from Campbell et al.: they add up as many jumps as a Poisson number says, which has a
    meaning for tokens in an order alone.

    Source: Campbell et al. 2022, arXiv 2205.14987, section 4.3.
    """

    def transition(self, stage: TokenStage, x: Tensor, estimate: TokenEstimate) -> Tensor:
        process, t = stage.process, at(stage.t, x)
        if stage.next_t == 0:
            return process.transition(x, t, torch.zeros_like(t), estimate.mean)
        rates = process.reversed_rates(x, t, estimate.mean)
        return leap(rates, stage.t - stage.next_t, process.states(x, rates))


def leap(rates: Tensor, duration: float, own: Tensor) -> Tensor:
    """Probabilities after rates have held for a time, with at most one jump.

    Args:
        rates: from where a position is, (batch, length, num_states), 0 to itself.
        duration: at least 0.
        own: 1 where a position is, else 0, of the same shape.
    """
    total = rates.sum(-1, keepdim=True)
    leaves = -torch.expm1(-duration * total)
    share = rates / total.clamp(min=torch.finfo(rates.dtype).tiny)
    return leaves * share + (1 - leaves) * own
