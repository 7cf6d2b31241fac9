"""What codecs of sound have in common that see frames of a Fourier transform."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

from clarion.base.sound.sound_codec import SoundCodec
from clarion.base.sound.stft import STFT


@dataclass(frozen=True)
class Spectrogram(SoundCodec):
    """Waveforms (batch, num_samples), full scale at 1, to frames of a Fourier transform.

    Args:
        sample_rate_hz: samples a second.
        num_samples: of each waveform.
        window_samples: length of a frame.
        hop_samples: from one frame to the next, at most half of it.
        bins_are: "rows": model units are pictures (batch, channels, bins, frames); "channels": they
            are signals (batch, channels bins, frames), for networks over time alone.
    """

    window_samples: int
    hop_samples: int
    bins_are: Literal["rows", "channels"] = field(
        default="rows", kw_only=True, metadata={"optional": True}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
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

    def _encode(self, waveforms: Tensor) -> Tensor:
        x = self._analyse(waveforms)
        return x.flatten(1, 2) if self.bins_are == "channels" else x

    def decode(self, x0: Tensor) -> Tensor:
        """Frames (batch, *model_shape) to waveforms (batch, num_samples)."""
        rows = x0.unflatten(1, self.num_rows) if self.bins_are == "channels" else x0
        return self._synthesise(rows)

    @abstractmethod
    def _analyse(self, waveforms: Tensor) -> Tensor:
        """(batch, num_samples) to (batch, channels, bins, frames)."""

    @abstractmethod
    def _synthesise(self, x0: Tensor) -> Tensor:
        """(batch, channels, bins, frames) to (batch, num_samples)."""
