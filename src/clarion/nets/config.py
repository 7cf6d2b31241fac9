"""Sizes of networks, as they are saved with a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from clarion.base.condition import ConditionSpec
from clarion.base.errors import ClarionError
from clarion.base.names import NameTable


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """What is needed, beside the shape of the data and the condition spec, to build a network."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        """A freshly initialised network for samples of this shape."""


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
        from clarion.nets.unet import UNet

        return UNet(self, shape, spec)


NETWORKS: NameTable[type[NetworkConfig]] = NameTable("network", {"unet": UNetConfig})
