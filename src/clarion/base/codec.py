"""The contract between the units of the data and those of a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

import torch
from torch import Tensor


class Codec(ABC):
    """What was fitted on the data, once, and is saved with the model."""

    called: ClassVar[str]
    """What it is called in messages."""

    def model_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape in model units of an example of this shape, without the batch; here the same."""
        return shape

    @abstractmethod
    def encode(self, data: Tensor) -> Tensor:
        """Data as they are stored, (batch, *shape), to model units, (batch, *model_shape)."""

    @abstractmethod
    def decode(self, x0: Tensor) -> Tensor:
        """Model units to data units, (batch, *shape) as they are stored; nothing is clipped."""

    def random(self, shape: tuple[int, ...], generator: torch.Generator) -> Tensor:
        """Random data in model units: here standard normal numbers."""
        return torch.randn(shape, generator=generator)
