"""Complex spectra with their magnitudes compressed: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.sound.spectrogram import Spectrogram


@dataclass(frozen=True)
class ComplexSpectrogram(Spectrogram):
    """x = |X|^exponent exp(i arg X) / scale, as real and imaginary part.

    Model units are (batch, 2, bins, frames), of mean 0 and deviation 1 over all that it was fitted
    on. The inverse is exact for what came out of a waveform.

    Args:
        exponent: in (0, 1]; 1 leaves the magnitudes as they are.
        scale: deviation of the compressed spectra.

    Source: Richter et al. 2023, arXiv 2208.05830; the scale is fitted here, and 1 / 0.15 there.
    """

    called: ClassVar[str] = "complex spectrogram"

    exponent: float = 0.5
    scale: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.exponent <= 1:
            raise ClarionError(f"exponent must be in (0, 1], got {self.exponent}.")
        if not 0 < self.scale < float("inf"):
            raise ClarionError(f"scale must be above 0 and finite, got {self.scale}.")

    @property
    def num_rows(self) -> tuple[int, int]:
        return (2, self.stft.num_bins)

    def _analyse(self, waveforms: Tensor) -> Tensor:
        spectra = _power(self.stft.analyse(waveforms), self.exponent) / self.scale
        return torch.stack([spectra.real, spectra.imag], 1)

    def _synthesise(self, x0: Tensor) -> Tensor:
        spectra = torch.complex(x0[:, 0], x0[:, 1]) * self.scale
        return self.stft.synthesise(_power(spectra, 1 / self.exponent), self.num_samples)

    def fitted(self, batches: Iterable[Tensor]) -> Self:
        return replace(self, scale=replace(self, scale=1.0).deviation(batches))


def _power(spectra: Tensor, exponent: float) -> Tensor:
    """|X|^exponent exp(i arg X), 0 for 0."""
    tiny = torch.finfo(spectra.real.dtype).tiny
    return spectra * spectra.abs().clamp_min(tiny) ** (exponent - 1)
