"""What U-Nets are made of: residual blocks, attention, and a normalisation over channels.

Departure from the sources: features are normalised over the channels of each position, not over
groups of channels and all positions. With channels last in memory that is one pass over contiguous
numbers, several times faster on a processor, and nothing depends on the size of the picture.

Sources: Ho et al. 2020, arXiv 2006.11239, appendix B; Dhariwal & Nichol 2021, arXiv 2105.05233,
section 3 (adaptive normalisation, attention at several resolutions).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.nets.attention import append_context, attend
from clarion.nets.context import Context

CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d}
"""Sides of a sample -> its convolution."""


class Block(nn.Module):
    """Residual block: [resample], convolve, scale and shift by the embedding, convolve, [attend].

    Args:
        dims: 1 or 2.
        c_in: channels that come in.
        c_out: channels that go out.
        width: size of the embedding.
        heads: number of attention heads; 0 for none.
        resample: "keep", "halve" or "double" the resolution, before anything else.
        dropout: probability in [0, 1).
        context_width: size of the tokens that are attended to; 0 without.
    """

    def __init__(
        self,
        dims: int,
        c_in: int,
        c_out: int,
        width: int,
        heads: int,
        resample: str,
        dropout: float,
        context_width: int = 0,
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm1 = ChannelNorm(c_in)
        self.conv1 = convolution(dims, c_in, c_out, 3)
        self.modulate = nn.Linear(width, 2 * c_out)
        self.norm2 = ChannelNorm(c_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = zeroed(convolution(dims, c_out, c_out, 3))
        self.bypass = nn.Identity() if c_in == c_out else convolution(dims, c_in, c_out, 1)
        self.attend = Attention(c_out, heads, context_width) if heads else None

    def forward(self, x: Tensor, e: Tensor, context: Context | None = None) -> Tensor:
        h = F.silu(self.norm1(x))
        if self.resample != "keep":
            x, h = _resample(x, self.resample), _resample(h, self.resample)
        h = self.conv1(h)
        scale, shift = self.modulate(e).reshape(*e.shape[:1], -1, *[1] * (h.ndim - 2)).chunk(2, 1)
        h = F.silu(torch.addcmul(shift, self.norm2(h), 1 + scale))
        h = self.conv2(self.dropout(h))
        x = self.bypass(x) + h
        return x if self.attend is None else self.attend(x, context)


class Attention(nn.Module):
    """Attention of positions to each other and to the tokens of a context, added to its input."""

    def __init__(self, channels: int, heads: int, context_width: int = 0) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.out = zeroed(nn.Linear(channels, channels))
        self.context_kv = nn.Linear(context_width, 2 * channels) if context_width else None

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # (batch, positions, channels)
        qkv = self.qkv(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, positions, channels per head)
        is_there = None
        if self.context_kv is not None and context is not None:
            k, v, is_there = append_context(k, v, self.context_kv(context[0]), context[1])
        h = attend(q, k, v, is_there).transpose(1, 2).flatten(2)
        return (tokens + self.out(h)).transpose(1, 2).reshape(x.shape)


class ChannelNorm(nn.Module):
    """Normalise over the channels of each position, then scale and shift each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x.movedim(1, -1), weight.shape, weight, bias).movedim(-1, 1)


def num_heads(channels: int, head_width: int) -> int:
    """As many heads of at least this width as divide the channels; one, if they are fewer.

    A level's own channels are a multiple of the width; the block that brings features to it from
    the level before has the channels of that one.
    """
    most = max(1, channels // head_width)
    return next(heads for heads in range(most, 0, -1) if channels % heads == 0)


def convolution(dims: int, c_in: int, c_out: int, kernel: int) -> nn.Module:
    return CONVOLUTIONS[dims](c_in, c_out, kernel, padding=kernel // 2)


def zeroed(layer: nn.Module) -> nn.Module:
    """Start at zero, so that every block starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _resample(x: Tensor, how: str) -> Tensor:
    if how == "double":
        return F.interpolate(x, scale_factor=2.0, mode="nearest")
    return F.avg_pool1d(x, 2) if x.ndim == 3 else F.avg_pool2d(x, 2)
