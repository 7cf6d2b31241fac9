"""The affine map between the units of the data and those of the model."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError
from clarion.base.shapes import expand_like


@dataclass(frozen=True)
class Normalizer(Codec):
    """x = (data - mean) / std for each channel: model units have mean 0 and deviation 1.

    It is fitted once on the training data and saved with the model. Nothing is clipped.

    Args:
        mean: of each channel, in data units.
        std: of each channel, in data units.
    """

    called: ClassVar[str] = "normaliser"

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.mean) != len(self.std) or not self.mean:
            raise ClarionError(
                f"mean and std must have one number a channel, "
                f"got {len(self.mean)} and {len(self.std)}."
            )
        if not all(map(math.isfinite, self.mean)):
            raise ClarionError(f"mean must be finite, got {self.mean}.")
        if not all(0 < s < math.inf for s in self.std):
            raise ClarionError(f"std must be above 0 in every channel, got {self.std}.")

    def encode(self, data: Tensor) -> Tensor:
        """Data units to model units, (batch, channels, ...); uint8 stands for 0..1 in 255 steps."""
        if data.dtype == torch.uint8:
            data = data.float() / 255
        mean, std = self._as(data)
        return (data - mean) / std

    def decode(self, x0: Tensor) -> Tensor:
        """Model units to data units, (batch, channels, ...)."""
        mean, std = self._as(x0)
        return torch.addcmul(mean, x0, std)

    def _as(self, like: Tensor) -> tuple[Tensor, Tensor]:
        if like.shape[1] != len(self.mean):
            raise ClarionError(
                f"The normaliser was fitted on {len(self.mean)} channels, got {like.shape[1]}."
            )
        mean, std = _constants(self.mean, self.std, like.dtype, like.device)
        return expand_like(mean, like[0]), expand_like(std, like[0])


@lru_cache(maxsize=64)
def _constants(
    mean: tuple[float, ...], std: tuple[float, ...], dtype: torch.dtype, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Both as tensors, made once: rules ask in every step, and a copy makes the device wait."""
    return (
        torch.tensor(mean, dtype=dtype, device=device),
        torch.tensor(std, dtype=dtype, device=device),
    )
