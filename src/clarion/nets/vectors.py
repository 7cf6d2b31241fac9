"""Between samples and vectors: a U-Net's way down to a vector, and its way up out of one.

Both have the levels and blocks of a U-Net, and nothing that leads past the coarsest level; the
condition scales and shifts every block. The way down is told the noise level 0 throughout.

Source of the blocks: see `blocks.py`. Source of the way up out of one linear layer: Radford et al.
2016, arXiv 1511.06434, section 3.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec
from clarion.nets.blocks import Block, ChannelNorm
from clarion.nets.embed import ConditionEmbedding
from clarion.nets.unet import UNetConfig, WayDown, leaving


class Encoder(WayDown):
    """A sample to a vector.

    Args:
        config: sizes.
        shape: of a sample, as for a U-Net.
        spec: what it may be conditioned on.
        size: of the vector.
    """

    def __init__(
        self, config: UNetConfig, shape: tuple[int, ...], spec: ConditionSpec, size: int
    ) -> None:
        super().__init__(config, shape, spec)
        coarsest = config.coarsest(shape)
        self.leave_norm = ChannelNorm(coarsest[0])
        self.leave = nn.Linear(math.prod(coarsest), size)
        self.to(memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]

    def forward(self, x: Tensor, condition: Condition | None) -> Tensor:
        """(batch, *shape) -> (batch, size)."""
        features = self.read(x, x.new_zeros(len(x)), condition).x
        return self.leave(F.silu(self.leave_norm(features)).flatten(1))


class Decoder(nn.Module):
    """A vector to a sample.

    Unlike a U-Net it does not start at zero: a critic would tell a generator whose samples are all
    one from data without a slope at either, from which the generator would learn nothing.

    Args:
        config: sizes.
        shape: of a sample, as for a U-Net.
        spec: what it may be conditioned on; no fields.
        size: of the vector.
    """

    def __init__(
        self, config: UNetConfig, shape: tuple[int, ...], spec: ConditionSpec, size: int
    ) -> None:
        super().__init__()
        coarsest, dims = config.coarsest(shape), len(shape) - 1
        width = config.base_channels * 4
        self.embed_condition = ConditionEmbedding(spec, width)
        self.embed = nn.Linear(size, width)
        self.enter = nn.Sequential(nn.Linear(size, math.prod(coarsest)), nn.Unflatten(1, coarsest))

        def block(c_in: int, c_out: int, level: int, resample: str = "keep") -> Block:
            heads = config.heads(c_out, level)
            return Block(dims, c_in, c_out, width, heads, resample, config.dropout)

        self.up, c, bottom = nn.ModuleList(), coarsest[0], len(config.channels) - 1
        for level, w in reversed(list(enumerate(config.channels))):
            if level < bottom:
                self.up.append(block(c, c, level, "double"))
            for _ in range(config.blocks_per_level + 1):
                self.up.append(block(c, w, level))
                c = w
        self.leave_norm = ChannelNorm(c)
        self.leave = leaving(config, dims, c, shape[0])
        self.memory_format = torch.channels_last if dims == 2 else torch.contiguous_format
        self.to(memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]

    def forward(self, z: Tensor, condition: Condition | None) -> Tensor:
        """(batch, size) -> (batch, *shape)."""
        e = F.silu(self.embed(z) + self.embed_condition(condition))
        x = self.enter(z).contiguous(memory_format=self.memory_format)
        for block in self.up:
            x = block(x, e)
        return self.leave(F.silu(self.leave_norm(x)))
