"""A field: an image-like map, such as a mask, a depth map or a picture to start from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import ConditionEntry, check_sizes, to_floats
from clarion.base.errors import ClarionError


@dataclass(frozen=True)
class FieldEntry(ConditionEntry):
    """A map of shape (channels, *sides); the network resizes it to the sides of the sample.

    Args:
        channels: of the map.
        sides: (length,) or (height, width), with as many sides as the samples have.
    """

    channels: int
    sides: tuple[int, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "channels")
        if not self.sides or min(self.sides) < 1:
            raise ClarionError(f"sides must be sizes of at least 1, got {self.sides}.")

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, *self.sides)

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """A map (channels, *sides), or n of them, as an (n, channels, *sides) float32 tensor."""
        given = to_floats(name, values)
        if given.shape == self.shape:
            given = given.expand(n, *self.shape)
        if given.shape != (n, *self.shape):
            raise ClarionError(
                f"Condition {name!r} must have shape {self.shape} or {(n, *self.shape)}, "
                f"got {tuple(given.shape)}."
            )
        return given.contiguous()

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, *self.shape)
