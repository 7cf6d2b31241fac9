"""The optimiser and its learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from clarion.run.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, network: nn.Module) -> torch.optim.AdamW:
    """AdamW, fused; weight decay acts on matrices and convolutions, not on vectors.

    Source: Loshchilov & Hutter 2019, arXiv 1711.05101.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {
            "params": [p for p in parameters if p.ndim >= 2],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)


def learning_rate(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """The rate of optimiser step number `step`, counted from 1, of `num_steps`.

    It rises linearly over the warm-up, stays, and falls over the last part of the training.
    """
    rate = config.learning_rate * min(1.0, step / max(1, config.warmup_steps))
    start = config.decay_from * num_steps
    if config.decay == "none" or step <= start:
        return rate
    rest = max(0.0, (num_steps - step) / (num_steps - start))
    return rate * (rest if config.decay == "linear" else (1 - math.cos(math.pi * rest)) / 2)


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Use this rate from now on."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradients(parameters: Iterable[nn.Parameter], clip_norm: float | None) -> torch.Tensor:
    """Shorten the gradient to `clip_norm` if it is longer; returns its length before."""
    limit = math.inf if clip_norm is None else clip_norm
    return nn.utils.clip_grad_norm_(parameters, limit, error_if_nonfinite=False)
