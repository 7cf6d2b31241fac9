"""A small convolutional network that gives one number for a sequence of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.errors import ClarionError
from clarion.base.options import check_number, check_whole


@dataclass(frozen=True)
class RegressorConfig:
    """Sizes of a regressor.

    Args:
        width: channels.
        kernel: odd number of neighbouring tokens that a position sees in a layer.
        num_layers: convolutions.
        dropout: probability in [0, 1).
    """

    width: int = 64
    kernel: int = 5
    num_layers: int = 2
    dropout: float = 0.1

    def __post_init__(self) -> None:
        for name in ("width", "num_layers", "kernel"):
            check_whole(name, getattr(self, name), 1)
        if self.kernel % 2 == 0:
            raise ClarionError(f"kernel must be odd, got {self.kernel}.")
        check_number("dropout", self.dropout, 0, 0.99)


class Regressor(nn.Module):
    """value = w . [max over positions, W h in all positions] + b, with h from convolutions.

    The largest feature of any position says what is there, the linear map of all positions where it
    is.

    Args:
        config: sizes.
        length: of a sequence.
        num_states: number of different tokens.
    """

    def __init__(self, config: RegressorConfig, length: int, num_states: int) -> None:
        super().__init__()
        self.num_states = num_states
        sizes = [num_states, *[config.width] * config.num_layers]
        self.layers = nn.ModuleList(
            nn.Conv1d(a, b, config.kernel, padding=config.kernel // 2) for a, b in pairwise(sizes)
        )
        self.dropout = nn.Dropout(config.dropout)
        self.places = nn.Linear(config.width * length, config.width)
        self.leave = nn.Linear(2 * config.width, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(batch, length) tokens, or vectors (batch, length, num_states) -> (batch,)."""
        if not x.is_floating_point():
            x = F.one_hot(x, self.num_states).to(self.leave.weight.dtype)
        h = x.mT
        for layer in self.layers:
            h = self.dropout(F.gelu(layer(h)))
        features = torch.cat([h.amax(-1), F.gelu(self.places(h.flatten(1)))], 1)
        return self.leave(features)[:, 0]
