"""Weights of particles, and resampling in proportion to them.

Source: Kitagawa 1996, doi 10.1080/10618600.1996.10474692 (systematic resampling).
"""

from __future__ import annotations

import torch
from torch import Tensor


def effective_number(log_weights: Tensor) -> Tensor:
    """(sum w)² / sum w² over the particles of each sample.

    Args:
        log_weights: (batch, particles), not normalised.

    Returns:
        (batch,), in [1, particles]; NaN where no particle has a weight.
    """
    return 1 / log_weights.softmax(1).square().sum(1)


def resample(log_weights: Tensor, uniform: Tensor) -> Tensor:
    """Systematic resampling: of P, a particle of weight w gets floor(P w) copies or one more.

    Args:
        log_weights: (batch, particles), not normalised.
        uniform: a number in [0, 1) for each sample, (batch, 1).

    Returns:
        The particle that each copy is of, (batch, particles).
    """
    count = log_weights.shape[1]
    return pick(log_weights, (torch.arange(count, device=uniform.device) + uniform) / count)


def pick(log_weights: Tensor, at: Tensor) -> Tensor:
    """The inverse of the distribution function of weights.

    Args:
        log_weights: (batch, particles).
        at: numbers in [0, 1), (batch, count).

    Returns:
        Numbers of particles, (batch, count); none of weight 0.
    """
    total = log_weights.softmax(1).cumsum(1)
    # Divided by the last, so that it is 1 and no rounding leaves a number above it.
    chosen = torch.searchsorted(total / total[:, -1:], at.contiguous(), right=True)
    return chosen.clamp(max=log_weights.shape[1] - 1)
