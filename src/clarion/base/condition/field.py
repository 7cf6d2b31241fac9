"""A field: an image-like map, such as a mask, a depth map, a picture or a sound to start from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import ConditionEntry, check_sizes, to_floats
from clarion.base.errors import ClarionError
from clarion.base.sound import SoundCodec


@dataclass(frozen=True)
class FieldEntry(ConditionEntry):
    """A map of shape (channels, *sides); the network resizes it to the sides of the sample.

    Args:
        channels: of the map.
        sides: (length,) or (height, width), with as many sides as the samples have.
        seen_as: what makes the map of a sound, where a sound may be given; None takes maps alone.
    """

    channels: int
    sides: tuple[int, ...]
    seen_as: SoundCodec | None = field(default=None, kw_only=True, metadata={"optional": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "channels")
        if not self.sides or min(self.sides) < 1:
            raise ClarionError(f"sides must be sizes of at least 1, got {self.sides}.")

    @classmethod
    def of_sound(cls, seen_as: SoundCodec) -> FieldEntry:
        """What a network sees of a waveform."""
        channels, *sides = seen_as.model_shape((seen_as.num_samples,))
        return cls(channels, tuple(sides), seen_as=seen_as)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.channels, *self.sides)

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """A map (channels, *sides), or n of them, as an (n, channels, *sides) float32 tensor.

        Where it is made of sounds also a waveform (num_samples,), or n of them.
        """
        given = to_floats(name, values)
        if self.seen_as is not None and given.shape[-len(self.shape) :] != self.shape:
            given = self.seen_as.encode(given if given.ndim > 1 else given[None])
            given = given.expand(n, *self.shape) if len(given) == 1 else given
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
