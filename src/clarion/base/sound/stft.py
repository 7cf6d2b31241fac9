"""The short-time Fourier transform, and its exact inverse."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.errors import ClarionError


@dataclass(frozen=True)
class STFT:
    """X[k, m] = 2 / sum(w) * sum_n w[n] x[n + m hop - window / 2] exp(-2 pi i k n / window).

    w is a periodic Hann window, and x is 0 outside its length. By the factor before the sum a sine
    of full scale in the middle of a band has |X| = 1, so 20 log10 |X| is its level in dBFS.

    Args:
        window_samples: length of a frame; even.
        hop_samples: from one frame to the next, at most half of it.

    Source: Griffin & Lim 1984, doi 10.1109/TASSP.1984.1164317, equation 6: the inverse is the
    waveform whose transform is nearest, which for that of a waveform is the waveform.
    """

    window_samples: int
    hop_samples: int

    def __post_init__(self) -> None:
        if self.window_samples < 2 or self.window_samples % 2:
            raise ClarionError(f"window_samples must be even and above 0, got {self}.")
        if not 1 <= self.hop_samples <= self.window_samples // 2:
            raise ClarionError(f"hop_samples must be in 1..window_samples / 2, got {self}.")

    @property
    def num_bins(self) -> int:
        """Bands, from 0 Hz to half of the sample rate, both counted."""
        return self.window_samples // 2 + 1

    def num_frames(self, num_samples: int) -> int:
        """Frames of a waveform: its last sample lies between two of them."""
        return -(-num_samples // self.hop_samples) + 1

    def analyse(self, waveforms: Tensor) -> Tensor:
        """Waveforms (batch, time) to complex spectra (batch, num_bins, num_frames)."""
        window = self._window(waveforms)
        whole = (self.num_frames(waveforms.shape[-1]) - 1) * self.hop_samples
        padded = F.pad(waveforms, (0, whole - waveforms.shape[-1]))
        spectra = torch.stft(
            padded,
            self.window_samples,
            self.hop_samples,
            window=window,
            center=True,
            pad_mode="constant",
            return_complex=True,
        )
        return spectra * (2 / window.sum())

    def synthesise(self, spectra: Tensor, num_samples: int) -> Tensor:
        """Complex spectra (batch, num_bins, num_frames) to waveforms (batch, num_samples)."""
        window = self._window(spectra.real)
        whole = (spectra.shape[-1] - 1) * self.hop_samples
        waveforms = torch.istft(
            spectra * (window.sum() / 2),
            self.window_samples,
            self.hop_samples,
            window=window,
            center=True,
            length=whole,
        )
        return waveforms[..., :num_samples]

    def _window(self, like: Tensor) -> Tensor:
        return torch.hann_window(self.window_samples, dtype=like.dtype, device=like.device)
