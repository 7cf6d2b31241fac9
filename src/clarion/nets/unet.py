"""A U-Net for signals (1-D) and pictures (2-D).

Resolutions go down by two from level to level and back up. Each level has residual blocks; on the
way up each block also reads what the way down left at its resolution. The embedding of noise level
and condition scales and shifts every block (adaptive normalisation).

Sources: Ho et al. 2020, arXiv 2006.11239, appendix B; Dhariwal & Nichol 2021, arXiv 2105.05233,
section 3 (adaptive normalisation, attention at several resolutions); Hoogeboom et al. 2023, arXiv
2301.11093, section 3.3 (patches).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.errors import ClarionError
from clarion.nets.blocks import CONVOLUTIONS, Block, ChannelNorm, convolution, num_heads, zeroed
from clarion.nets.config import NetworkConfig
from clarion.nets.context import SEQUENCES, Context, ContextEmbedding
from clarion.nets.embed import ConditionEmbedding, NoiseEmbedding, check_names
from clarion.nets.fields import FieldInput, split_fields

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
        gates_input: add to the answer what came in, the sample and all fields, each channel times a
            gain that the network finds for each position, as masks do that take noise away.
    """

    base_channels: int = 64
    channel_multipliers: tuple[int, ...] = (1, 2, 4)
    blocks_per_level: int = 2
    attention_levels: tuple[int, ...] = (2,)
    head_width: int = 64
    patch_size: int = 1
    dropout: float = 0.0
    gates_input: bool = field(default=False, metadata={"optional": True})

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

    @property
    def channels(self) -> list[int]:
        """Of each level, full resolution first."""
        return [self.base_channels * multiplier for multiplier in self.channel_multipliers]

    def heads(self, channels: int, level: int) -> int:
        """Of the attention of a block with so many channels at one of the levels; 0 for none."""
        return num_heads(channels, self.head_width) if level in self.attention_levels else 0

    def coarsest(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Channels and sides of the last level, for samples of this shape.

        Raises:
            ClarionError: if its sides cannot be halved so often.
        """
        factor = self.patch_size * 2 ** (len(self.channel_multipliers) - 1)
        has_sides = len(shape) - 1 in CONVOLUTIONS and min(shape) > 0
        if not has_sides or any(side % factor for side in shape[1:]):
            raise ClarionError(
                f"A U-Net of {len(self.channel_multipliers)} levels and patch_size "
                f"{self.patch_size} takes samples of shape (channels, length) or (channels, "
                f"height, width) with sides divisible by {factor}, got {tuple(shape)}. Change the "
                "size of the data, channel_multipliers or patch_size."
            )
        return (self.channels[-1], *(side // factor for side in shape[1:]))


class WayDown(nn.Module):
    """The half of a U-Net that reads: down to the coarsest level, and the middle there.

    Args:
        config: sizes.
        shape: one sample, (channels, length) or (channels, height, width); each side must be
            divisible by patch_size 2^(levels - 1).
        spec: what it may be conditioned on.
    """

    def __init__(self, config: UNetConfig, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        config.coarsest(shape)  # a shape that does not fit is refused here
        dims, channels = len(shape) - 1, shape[0]
        width = config.base_channels * 4
        self.embed_noise = NoiseEmbedding(width)
        check_names(spec)
        fields, others = split_fields(spec)
        attended = {n: e for n, e in others.items() if isinstance(e, SEQUENCES)}
        attended = attended if config.attention_levels else {}
        summed = {n: e for n, e in others.items() if n not in attended}
        self.embed_condition = ConditionEmbedding(summed, width)
        self.embed_context = ContextEmbedding(attended, width) if attended else None
        self.add_fields = FieldInput(fields, dims) if fields else None
        channels_in = channels + (self.add_fields.num_channels if self.add_fields else 0)
        self._sizes = config, dims, width, width if attended else 0
        self.channels_in = channels_in

        widths, patch = config.channels, config.patch_size
        self.enter = (
            convolution(dims, channels_in, widths[0], 3)
            if patch == 1
            else CONVOLUTIONS[dims](channels_in, widths[0], patch, stride=patch)
        )
        self.down, self.skip_channels, c = nn.ModuleList(), [widths[0]], widths[0]
        for level, w in enumerate(widths):
            if level > 0:
                self.down.append(self.block(c, c, level, "halve"))
                self.skip_channels.append(c)
            for _ in range(config.blocks_per_level):
                self.down.append(self.block(c, w, level))
                c = w
                self.skip_channels.append(c)

        bottom = len(widths) - 1
        self.middle = nn.ModuleList([self.block(c, c, bottom), self.block(c, c, bottom)])
        # Contiguous channels are faster for convolutions and for the normalisation over them.
        self.memory_format = torch.channels_last if dims == 2 else torch.contiguous_format

    def block(self, c_in: int, c_out: int, level: int, resample: str = "keep") -> Block:
        """A block of this network's kind at one of its levels."""
        config, dims, width, context_width = self._sizes
        heads = config.heads(c_out, level)
        return Block(dims, c_in, c_out, width, heads, resample, config.dropout, context_width)

    def read(self, x: Tensor, noise_level: Tensor, condition: Condition | None) -> Features:
        """Go down; arguments as those of `UNet.forward`."""
        e = F.silu(self.embed_noise(noise_level) + self.embed_condition(condition))
        context = self.embed_context(condition, len(x)) if self.embed_context else None
        given = self.add_fields(x, condition) if self.add_fields else x
        x = self.enter(given.contiguous(memory_format=self.memory_format))
        skips = [x]
        for block in self.down:
            x = block(x, e, context)
            skips.append(x)
        for block in self.middle:
            x = block(x, e, context)
        return Features(x, skips, e, context, given)


class Features(NamedTuple):
    """What the way down found.

    Args:
        x: features of the coarsest level, (batch, channels, *sides).
        skips: features that were left at each resolution, in their order.
        e: embedding of noise level and condition, (batch, width).
        context: tokens that are attended to.
        given: what came in, with all fields, (batch, channels, *sides).
    """

    x: Tensor
    skips: list[Tensor]
    e: Tensor
    context: Context | None
    given: Tensor


class UNet(WayDown):
    """Predicts a tensor of the shape of its input; arguments are those of `WayDown`."""

    def __init__(self, config: UNetConfig, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__(config, shape, spec)
        dims, channels = len(shape) - 1, shape[0]
        skips = list(self.skip_channels)
        c, bottom = skips[-1], len(config.channel_multipliers) - 1
        self.up = nn.ModuleList()
        for level, w in reversed(list(enumerate(config.channels))):
            if level < bottom:
                self.up.append(self.block(c, c, level, "double"))
            for _ in range(config.blocks_per_level + 1):
                self.up.append(self.block(c + skips.pop(), w, level))
                c = w
        self.leave_norm = ChannelNorm(c)
        self.gates_input = config.gates_input
        num_gains = channels * self.channels_in if config.gates_input else 0
        self.leave = zeroed(leaving(config, dims, c, channels + num_gains))
        self.to(memory_format=self.memory_format)  # pyright: ignore[reportCallIssue]

    def forward(self, x: Tensor, noise_level: Tensor, condition: Condition | None) -> Tensor:
        """Predict.

        Args:
            x: (batch, *shape), of about unit variance.
            noise_level: (batch,), log(sigma / alpha) / 4.
            condition: values for the batch; None where all is absent.
        """
        channels = x.shape[1]
        x, skips, e, context, given = self.read(x, noise_level, condition)
        for block in self.up:
            x = x if block.resample == "double" else torch.cat([x, skips.pop()], 1)
            x = block(x, e, context)
        answer = self.leave(F.silu(self.leave_norm(x)))
        if not self.gates_input:
            return answer
        gains = answer[:, channels:].unflatten(1, (channels, self.channels_in))
        return answer[:, :channels] + (gains * given.unsqueeze(1)).sum(2)


def leaving(config: UNetConfig, dims: int, c_in: int, channels: int) -> nn.Module:
    """The last layer: from features at full resolution to samples."""
    patch = config.patch_size
    if patch == 1:
        return convolution(dims, c_in, channels, 3)
    return _TRANSPOSED[dims](c_in, channels, patch, stride=patch)
