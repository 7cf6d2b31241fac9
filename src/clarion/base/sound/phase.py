"""A waveform whose spectrum has given magnitudes."""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.sound.stft import STFT

MOMENTUM = 0.99


def with_phases(magnitudes: Tensor, stft: STFT, num_samples: int, num_rounds: int) -> Tensor:
    """Waveforms whose transforms have nearly these magnitudes.

    Each round goes to the nearest transform of a waveform, t_n, a step beyond it,
    c_n = t_n + momentum (t_n - t_{n-1}), and back to the magnitudes. The phases to begin with are
    random, the same for the same shape of a sample, whatever the batch.

    Args:
        magnitudes: (batch, bins, frames), at least 0.
        stft: the transform.
        num_samples: length of the waveforms.
        num_rounds: how often.

    Returns:
        (batch, num_samples).

    Source: Perraudin, Balazs & Søndergaard 2013, doi 10.1109/WASPAA.2013.6701851, algorithm 2.
    """
    generator = torch.Generator().manual_seed(0)
    turns = torch.rand(magnitudes.shape[1:], generator=generator).to(magnitudes)
    spectra = torch.polar(magnitudes, (2 * torch.pi * turns).expand_as(magnitudes).contiguous())
    before = torch.zeros_like(spectra)
    for _ in range(num_rounds):
        nearest = stft.analyse(stft.synthesise(spectra, num_samples))
        beyond = nearest + MOMENTUM * (nearest - before)
        spectra, before = torch.polar(magnitudes, beyond.angle()), nearest
    return stft.synthesise(spectra, num_samples)
