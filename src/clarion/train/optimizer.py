"""The optimiser and its learning rate over time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import torch
from torch import nn

from clarion.run.config import OptimizerConfig


class Together(torch.optim.Optimizer):
    """Several optimisers, each of weights of its own, as one.

    Args:
        parts: the optimisers.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        super().__init__([group for part in parts for group in part.param_groups], {})
        self.parts = parts
        for part in parts:
            part.state = self.state

    def step(self, closure: None = None) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]
        for part in self.parts:
            part.step()


def build_optimizer(config: OptimizerConfig, network: nn.Module) -> torch.optim.Optimizer:
    """AdamW, fused, or Muon for the matrices of blocks and AdamW for all else.

    Weight decay acts on matrices and convolutions, not on vectors.

    Sources: Loshchilov & Hutter 2019, arXiv 1711.05101 (AdamW); Jordan et al. 2024, "Muon: an
    optimizer for hidden layers in neural networks"; Liu et al. 2025, arXiv 2502.16982, equation 4
    (steps of Muon as long as those of AdamW, so that one learning rate serves both).
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    matrices = _matrices_of_blocks(network) if config.matrices == "muon" else []
    taken = {id(p) for p in matrices}
    others = [p for p in parameters if id(p) not in taken]
    groups = [
        {"params": [p for p in others if p.ndim >= 2], "weight_decay": config.weight_decay},
        {"params": [p for p in others if p.ndim < 2], "weight_decay": 0.0},
    ]
    adam = torch.optim.AdamW(groups, lr=config.learning_rate, betas=config.betas, fused=True)
    if not matrices:
        return adam
    muon = torch.optim.Muon(
        matrices,
        lr=config.learning_rate,
        weight_decay=config.weight_decay,
        adjust_lr_fn="match_rms_adamw",
    )
    return Together([muon, adam])


def _matrices_of_blocks(network: nn.Module) -> list[nn.Parameter]:
    """Of linear maps from features to features: those within a list of blocks.

    What embeds, and what turns features into the output, stays with AdamW, as Jordan et al. advise.
    """
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    maps = {id(m): m for blocks in lists for m in blocks.modules() if isinstance(m, nn.Linear)}
    weights = (dict(m.named_parameters())["weight"] for m in maps.values())
    return [p for p in weights if p.requires_grad]


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
