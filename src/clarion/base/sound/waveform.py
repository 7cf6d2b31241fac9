"""Samples as they are: for networks that work on waveforms."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.sound.sound_codec import SoundCodec


@dataclass(frozen=True)
class Waveform(SoundCodec):
    """x = waveform / scale, (batch, 1, num_samples), of deviation 1 over all it was fitted on.

    Args:
        scale: deviation of the waveforms.
    """

    called: ClassVar[str] = "waveform"

    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.scale < float("inf"):
            raise ClarionError(f"scale must be above 0 and finite, got {self.scale}.")

    def model_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        return (1, self.num_samples)

    def _encode(self, waveforms: Tensor) -> Tensor:
        return waveforms[:, None] / self.scale

    def decode(self, x0: Tensor) -> Tensor:
        """Model units (batch, 1, num_samples) to waveforms (batch, num_samples)."""
        return x0[:, 0] * self.scale

    def fitted(self, batches: Iterable[Tensor]) -> Self:
        return replace(self, scale=replace(self, scale=1.0).deviation(batches))
