"""What codecs of sound have in common: waveforms of one length and rate, and a scale."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError


@dataclass(frozen=True)
class SoundCodec(Codec):
    """Waveforms (batch, num_samples), full scale at 1, to what a model sees of them.

    Args:
        sample_rate_hz: samples a second.
        num_samples: of each waveform.
    """

    sample_rate_hz: int
    num_samples: int

    def __post_init__(self) -> None:
        for name in ("sample_rate_hz", "num_samples"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")

    def encode(self, data: Tensor) -> Tensor:
        """Waveforms (batch, num_samples) to model units, (batch, *model_shape)."""
        if data.shape[-1:] != (self.num_samples,):
            raise ClarionError(
                f"Waveforms must have {self.num_samples} samples, as those that the "
                f"{self.called} was fitted on, got shape {tuple(data.shape)}."
            )
        return self._encode(data)

    @abstractmethod
    def _encode(self, waveforms: Tensor) -> Tensor:
        """The same, of waveforms that have the right length."""

    @abstractmethod
    def fitted(self, batches: Iterable[Tensor]) -> Self:
        """The same, with the scale of these waveforms, in batches (batch, num_samples).

        Raises:
            ClarionError: if they are all silent.
        """

    def deviation(self, batches: Iterable[Tensor]) -> float:
        """Root mean square of what the model sees of these waveforms.

        Raises:
            ClarionError: if they are all silent.
        """
        squares, count = 0.0, 0
        for batch in batches:
            x = self.encode(batch).double()
            squares, count = squares + float(x.square().sum()), count + x.numel()
        if not squares:
            raise ClarionError("All sounds are silent, so there is nothing to learn.")
        return (squares / count) ** 0.5
