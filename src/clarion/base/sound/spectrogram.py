"""What codecs of sound have in common: waveforms of one length and rate, seen as frames."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

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
    """

    sample_rate_hz: int
    num_samples: int
    window_samples: int
    hop_samples: int

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

    @abstractmethod
    def fitted(self, batches: Iterable[Tensor]) -> Self:
        """The same, with the scale of these waveforms, in batches (batch, num_samples).

        Raises:
            ClarionError: if they are all silent.
        """

    def _spectra(self, waveforms: Tensor) -> Tensor:
        if waveforms.shape[-1:] != (self.num_samples,):
            raise ClarionError(
                f"Waveforms must have {self.num_samples} samples, as those that the "
                f"{self.called} was fitted on, got shape {tuple(waveforms.shape)}."
            )
        return self.stft.analyse(waveforms)
