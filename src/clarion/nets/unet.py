"""A U-Net for signals (1-D) and pictures (2-D).

Resolutions go down by two from level to level and back up. Each level has residual blocks; on the
way up each block also reads what the way down left at its resolution. The embedding of noise level
and condition scales and shifts every block (adaptive normalisation).

Departure from the sources: features are normalised over the channels of each position, not over
groups of channels and all positions. With channels last in memory that is one pass over contiguous
numbers, several times faster on a processor, and nothing depends on the size of the picture.

Sources: Ho et al. 2020, arXiv 2006.11239, appendix B; Dhariwal & Nichol 2021, arXiv 2105.05233,
section 3 (adaptive normalisation, attention at several resolutions); Hoogeboom et al. 2023, arXiv
2301.11093, section 3.3 (patches).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec, FieldEntry
from clarion.base.errors import ClarionError
from clarion.nets.config import NetworkConfig
from clarion.nets.context import SEQUENCES, Context, ContextEmbedding
from clarion.nets.embed import ConditionEmbedding, NoiseEmbedding, check_names
from clarion.nets.fields import FieldInput

FEW_POSITIONS = 256

_CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d}
_TRANSPOSED = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d}


@dataclass(frozen=True)
class UNetConfig(NetworkConfig):
    """Sizes of a U-Net.

    Args:
        base_channels: channels at full resolution.
        channel_multipliers: channels of each level, relative to base_channels.
        blocks_per_level: residual blocks on the way down; one more on the way up.
        attention_levels: levels (0 = full resolution) whose blocks attend.
        head_width: channels of one attention head.
        patch_size: side of the patches that enter as one position; 1 works on each pixel.
        dropout: probability in [0, 1).
    """

    base_channels: int = 64
    channel_multipliers: tuple[int, ...] = (1, 2, 4)
    blocks_per_level: int = 2
    attention_levels: tuple[int, ...] = (2,)
    head_width: int = 64
    patch_size: int = 1
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if self.base_channels < 4 or self.base_channels % 4:
            raise ClarionError(f"base_channels must be a multiple of 4, got {self.base_channels}.")
        if not self.channel_multipliers or min(self.channel_multipliers) < 1:
            raise ClarionError(
                f"channel_multipliers must be numbers from 1, got {self.channel_multipliers}."
            )
        for name in ("blocks_per_level", "head_width", "patch_size"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise ClarionError(f"dropout must be in [0, 1), got {self.dropout}.")
        for level in self.attention_levels:
            if not 0 <= level < len(self.channel_multipliers):
                raise ClarionError(
                    f"attention_levels must be levels 0..{len(self.channel_multipliers) - 1}, "
                    f"got {level}."
                )
            channels = self.base_channels * self.channel_multipliers[level]
            if channels % self.head_width:
                raise ClarionError(
                    f"head_width {self.head_width} must divide the {channels} channels "
                    f"of level {level}."
                )

    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        return UNet(self, shape, spec)


class UNet(nn.Module):
    """Predicts a tensor of the shape of its input.

    Args:
        config: sizes.
        shape: one sample, (channels, length) or (channels, height, width); each side must be
            divisible by patch_size 2^(levels - 1).
        spec: what it may be conditioned on.
    """

    def __init__(self, config: UNetConfig, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        _check_shape(shape, config)
        dims, channels = len(shape) - 1, shape[0]
        width = config.base_channels * 4
        self.embed_noise = NoiseEmbedding(width)
        check_names(spec)
        fields = {n: e for n, e in spec.items() if isinstance(e, FieldEntry)}
        attended = {n: e for n, e in spec.items() if isinstance(e, SEQUENCES)}
        attended = attended if config.attention_levels else {}
        summed = {n: e for n, e in spec.items() if n not in fields and n not in attended}
        self.embed_condition = ConditionEmbedding(summed, width)
        self.embed_context = ContextEmbedding(attended, width) if attended else None
        self.add_fields = FieldInput(fields, dims) if fields else None
        context_width = width if attended else 0
        channels_in = channels + (self.add_fields.num_channels if self.add_fields else 0)

        widths = [config.base_channels * m for m in config.channel_multipliers]

        def block(c_in: int, c_out: int, level: int, resample: str = "keep") -> Block:
            attends = level in config.attention_levels
            heads = _num_heads(c_out, config.head_width) if attends else 0
            return Block(dims, c_in, c_out, width, heads, resample, config.dropout, context_width)

        patch = config.patch_size
        self.enter = (
            _convolution(dims, channels_in, widths[0], 3)
            if patch == 1
            else _CONVOLUTIONS[dims](channels_in, widths[0], patch, stride=patch)
        )
        self.down, skips, c = nn.ModuleList(), [widths[0]], widths[0]
        for level, w in enumerate(widths):
            if level > 0:
                self.down.append(block(c, c, level, "halve"))
                skips.append(c)
            for _ in range(config.blocks_per_level):
                self.down.append(block(c, w, level))
                c = w
                skips.append(c)

        bottom = len(widths) - 1
        self.middle = nn.ModuleList([block(c, c, bottom), block(c, c, bottom)])

        self.up = nn.ModuleList()
        for level, w in reversed(list(enumerate(widths))):
            if level < bottom:
                self.up.append(block(c, c, level, "double"))
            for _ in range(config.blocks_per_level + 1):
                self.up.append(block(c + skips.pop(), w, level))
                c = w
        self.leave_norm = ChannelNorm(c)
        self.leave = _zeroed(
            _convolution(dims, c, channels, 3)
            if patch == 1
            else _TRANSPOSED[dims](c, channels, patch, stride=patch)
        )
        # Contiguous channels are faster for convolutions and for the normalisation over them.
        self._memory_format = torch.channels_last if dims == 2 else torch.contiguous_format
        self.to(memory_format=self._memory_format)  # pyright: ignore[reportCallIssue]

    def forward(self, x: Tensor, noise_level: Tensor, condition: Condition | None) -> Tensor:
        """Predict.

        Args:
            x: (batch, *shape), of about unit variance.
            noise_level: (batch,), log(sigma / alpha) / 4.
            condition: values for the batch; None where all is absent.
        """
        e = F.silu(self.embed_noise(noise_level) + self.embed_condition(condition))
        context = self.embed_context(condition, len(x)) if self.embed_context else None
        x = self.add_fields(x, condition) if self.add_fields else x
        x = self.enter(x.contiguous(memory_format=self._memory_format))
        skips = [x]
        for block in self.down:
            x = block(x, e, context)
            skips.append(x)
        for block in self.middle:
            x = block(x, e, context)
        for block in self.up:
            x = x if block.resample == "double" else torch.cat([x, skips.pop()], 1)
            x = block(x, e, context)
        return self.leave(F.silu(self.leave_norm(x)))


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
        self.conv1 = _convolution(dims, c_in, c_out, 3)
        self.modulate = nn.Linear(width, 2 * c_out)
        self.norm2 = ChannelNorm(c_out)
        self.dropout = nn.Dropout(dropout)
        self.conv2 = _zeroed(_convolution(dims, c_out, c_out, 3))
        self.bypass = nn.Identity() if c_in == c_out else _convolution(dims, c_in, c_out, 1)
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
        self.out = _zeroed(nn.Linear(channels, channels))
        self.context_kv = nn.Linear(context_width, 2 * channels) if context_width else None

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        tokens = x.flatten(2).transpose(1, 2)  # (batch, positions, channels)
        qkv = self.qkv(self.norm(tokens)).unflatten(-1, (3, self.heads, -1))
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, heads, positions, channels per head)
        is_there = None
        if self.context_kv is not None and context is not None:
            kv = self.context_kv(context[0]).unflatten(-1, (2, self.heads, -1))
            more_k, more_v = kv.permute(2, 0, 3, 1, 4)
            is_there = F.pad(context[1], (k.shape[-2], 0), value=True)[:, None, None]
            k, v = torch.cat([k, more_k], -2), torch.cat([v, more_v], -2)
        h = attend(q, k, v, is_there).transpose(1, 2).flatten(2)
        return (tokens + self.out(h)).transpose(1, 2).reshape(x.shape)


def attend(q: Tensor, k: Tensor, v: Tensor, is_there: Tensor | None = None) -> Tensor:
    """softmax(q kᵀ / sqrt(width)) v, each (batch, heads, positions, width).

    Keys whose `is_there` (batch, 1, 1, positions) is false have no weight.
    """
    if q.device.type == "cpu" and q.shape[-2] <= FEW_POSITIONS:
        # The tiled kernel pays off over thousands of positions; over 49, forward and backward
        # take it six times as long as the plain formula (bfloat16, one core).
        scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        scores = scores if is_there is None else scores.masked_fill(~is_there, -torch.inf)
        return scores.softmax(-1) @ v
    return F.scaled_dot_product_attention(q, k, v, is_there)


class ChannelNorm(nn.Module):
    """Normalise over the channels of each position, then scale and shift each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
        return F.layer_norm(x.movedim(1, -1), weight.shape, weight, bias).movedim(-1, 1)


def _num_heads(channels: int, head_width: int) -> int:
    """As many heads of at least this width as divide the channels; one, if they are fewer.

    A level's own channels are a multiple of the width; the block that brings features to it from
    the level before has the channels of that one.
    """
    most = max(1, channels // head_width)
    return next(heads for heads in range(most, 0, -1) if channels % heads == 0)


def _convolution(dims: int, c_in: int, c_out: int, kernel: int) -> nn.Module:
    return _CONVOLUTIONS[dims](c_in, c_out, kernel, padding=kernel // 2)


def _zeroed(layer: nn.Module) -> nn.Module:
    """Start at zero, so that every block starts as the identity."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def _resample(x: Tensor, how: str) -> Tensor:
    if how == "double":
        return F.interpolate(x, scale_factor=2.0, mode="nearest")
    return F.avg_pool1d(x, 2) if x.ndim == 3 else F.avg_pool2d(x, 2)


def _check_shape(shape: tuple[int, ...], config: UNetConfig) -> None:
    levels = len(config.channel_multipliers)
    factor = config.patch_size * 2 ** (levels - 1)
    has_sides = len(shape) - 1 in _CONVOLUTIONS and min(shape) > 0
    if not has_sides or any(side % factor for side in shape[1:]):
        raise ClarionError(
            f"A U-Net of {levels} levels and patch_size {config.patch_size} takes samples of shape "
            f"(channels, length) or (channels, height, width) with sides divisible by {factor}, "
            f"got {tuple(shape)}. Change the size of the data, channel_multipliers or patch_size."
        )
