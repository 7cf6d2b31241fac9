"""What codecs of sound have in common: waveforms of one length and rate, seen as frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, Self

from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError
from clarion.base.sound.stft import STFT


@dataclass(frozen=True)
class Spectrogram(Codec):
    """Waveforms (batch, num_samples), full scale at 1, to frames of a Fourier transform.

    Args:
        sample_rate_hz: samples a second.
        num_samples: of each waveform.
        window_samples: length of a frame.
        hop_samples: from one frame to the next, at most half of it.
        bins_are: "rows": model units are pictures (batch, channels, bins, frames); "channels": they
            are signals (batch, channels bins, frames), for networks over time alone.
    """

    sample_rate_hz: int
    num_samples: int
    window_samples: int
    hop_samples: int
    bins_are: Literal["rows", "channels"] = field(
        default="rows", kw_only=True, metadata={"optional": True}
    )

    def __post_init__(self) -> None:
        for name in ("sample_rate_hz", "num_samples"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        STFT(self.window_samples, self.hop_samples)  # refuses what no transform can have

    @property
    def stft(self) -> STFT:
        """The transform."""
        return STFT(self.window_samples, self.hop_samples)

    @property
    def num_frames(self) -> int:
        """Frames of each waveform."""
        return self.stft.num_frames(self.num_samples)

    @property
    @abstractmethod
    def num_rows(self) -> tuple[int, int]:
        """Channels and bins of a frame."""

    def model_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        channels, bins = self.num_rows
        if self.bins_are == "channels":
            return (channels * bins, self.num_frames)
        return (channels, bins, self.num_frames)

    def encode(self, data: Tensor) -> Tensor:
        """Waveforms (batch, num_samples) to frames, (batch, *model_shape)."""
        if data.shape[-1:] != (self.num_samples,):
            raise ClarionError(
                f"Waveforms must have {self.num_samples} samples, as those that the "
                f"{self.called} was fitted on, got shape {tuple(data.shape)}."
            )
        x = self._encode(data)
        return x.flatten(1, 2) if self.bins_are == "channels" else x

    def decode(self, x0: Tensor) -> Tensor:
        """Frames (batch, *model_shape) to waveforms (batch, num_samples)."""
        return self._decode(x0.unflatten(1, self.num_rows) if self.bins_are == "channels" else x0)

    @abstractmethod
    def _encode(self, waveforms: Tensor) -> Tensor:
        """(batch, num_samples) to (batch, channels, bins, frames)."""

    @abstractmethod
    def _decode(self, x0: Tensor) -> Tensor:
        """(batch, channels, bins, frames) to (batch, num_samples)."""

    @abstractmethod
    def fitted(self, batches: Iterable[Tensor]) -> Self:
        """The same, with the scale of these waveforms, in batches (batch, num_samples).

        Raises:
            ClarionError: if they are all silent.
        """
