"""ConvNeXt over time: a network of depthwise convolutions for signals of many channels.

Each block looks at its neighbours channel by channel, and then mixes the channels of each position
by itself; all of it at one resolution, so for the frames of a spectrogram a second of sound costs
a few hundred million operations. With e the embedding of noise level and condition,

    x <- x + W2 gelu(W1 ((1 + scale(e)) norm(depthwise(x)) + shift(e))).

What leaves is A h + (B h) * x: a signal, and a gain of the input in each channel and position.
Without the gain, noise in more channels than the blocks have could not be told from data. Fields,
brought to the length of the signal, are further channels of the input.

Sources: Liu et al. 2022, arXiv 2201.03545, section 2 (the block); Siuzdak 2023, arXiv 2306.00814,
section 3 (over frames of sound); Liu et al. 2024, arXiv 2403.05010, section 3 (told the noise
level); Peebles & Xie 2022, arXiv 2212.09748, section 3.2 (by scale and shift, from the identity).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.errors import ClarionError
from clarion.nets.blocks import zeroed
from clarion.nets.config import NetworkConfig
from clarion.nets.embed import ConditionEmbedding, NoiseEmbedding
from clarion.nets.fields import FieldInput, split_fields


@dataclass(frozen=True)
class ConvNeXtConfig(NetworkConfig):
    """Sizes of a ConvNeXt.

    Args:
        channels: of each block.
        num_layers: blocks.
        kernel_size: positions that a block looks at; odd.
        expansion: channels within a block, relative to `channels`.
    """

    channels: int = 256
    num_layers: int = 8
    kernel_size: int = 7
    expansion: int = 3

    def __post_init__(self) -> None:
        for name in ("channels", "num_layers", "kernel_size", "expansion"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if self.kernel_size % 2 == 0:
            raise ClarionError(f"kernel_size must be odd, got {self.kernel_size}.")

    @property
    def takes_any_length(self) -> bool:
        return True

    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        return ConvNeXt(self, shape, spec)


class ConvNeXt(nn.Module):
    """Predicts a signal of the shape of its input.

    Args:
        config: sizes.
        shape: one sample, (channels, length).
        spec: what it may be conditioned on.

    Raises:
        ClarionError: for samples that are no signals, or conditions that it cannot take.
    """

    def __init__(self, config: ConvNeXtConfig, shape: tuple[int, ...], spec: ConditionSpec) -> None:
        super().__init__()
        if len(shape) != 2 or min(shape) < 1:
            raise ClarionError(
                f"A ConvNeXt takes signals, of shape (channels, length), got {tuple(shape)}."
            )
        fields, summed = split_fields(spec)
        width = config.channels
        self.embed_noise = NoiseEmbedding(width)
        self.embed_condition = ConditionEmbedding(summed, width)
        self.add_fields = FieldInput(fields, 1) if fields else None
        channels_in = shape[0] + (self.add_fields.num_channels if self.add_fields else 0)
        self.enter = nn.Linear(channels_in, width)
        self.blocks = nn.ModuleList([Block(config) for _ in range(config.num_layers)])
        self.leave_norm = nn.LayerNorm(width)
        self.leave = zeroed(nn.Linear(width, 2 * shape[0]))

    def forward(self, x: Tensor, noise_level: Tensor, condition: Condition | None) -> Tensor:
        """Predict.

        Args:
            x: (batch, channels, length), of about unit variance.
            noise_level: (batch,), log(sigma / alpha) / 4.
            condition: values for the batch; None where all is absent.
        """
        e = F.silu(self.embed_noise(noise_level) + self.embed_condition(condition))
        told = self.add_fields(x, condition) if self.add_fields else x
        h = self.enter(told.transpose(1, 2))  # (batch, length, channels)
        for block in self.blocks:
            h = block(h, e)
        signal, gain = self.leave(self.leave_norm(h)).transpose(1, 2).chunk(2, 1)
        return torch.addcmul(signal, gain, x)


class Block(nn.Module):
    """One block, on (batch, length, channels)."""

    def __init__(self, config: ConvNeXtConfig) -> None:
        super().__init__()
        c, kernel, inner = config.channels, config.kernel_size, config.expansion * config.channels
        self.look = nn.Conv1d(c, c, kernel, padding=kernel // 2, groups=c)
        self.norm = nn.LayerNorm(c, elementwise_affine=False)
        self.modulate = nn.Linear(c, 2 * c)
        self.widen = nn.Linear(c, inner)
        self.narrow = zeroed(nn.Linear(inner, c))

    def forward(self, x: Tensor, e: Tensor) -> Tensor:
        h = self.norm(self.look(x.transpose(1, 2)).transpose(1, 2))
        scale, shift = self.modulate(e)[:, None].chunk(2, 2)
        return x + self.narrow(F.gelu(self.widen(torch.addcmul(shift, h, 1 + scale))))
