"""Bands as wide as the ear's: the mel scale and its filters, as `librosa` defines them."""

from __future__ import annotations

import math

import torch
from torch import Tensor

LINEAR_TO_HZ = 1000.0
HZ_A_MEL = 200 / 3
LOG_STEP = math.log(6.4) / 27


def hz_to_mel(frequency_hz: Tensor) -> Tensor:
    """mel = 3 f / 200 up to 1000 Hz, and 15 + 27 log(f / 1000) / log(6.4) above.

    Source: Slaney 1998, Auditory Toolbox, technical report 1998-010, MakeERBFilters and mfcc.

    Example:
        >>> hz_to_mel(torch.tensor([200.0, 1000.0, 6400.0])).tolist()
        [3.0, 15.0, 42.0]
    """
    linear = frequency_hz / HZ_A_MEL
    above = (frequency_hz / LINEAR_TO_HZ).clamp_min(1.0).log() / LOG_STEP
    return linear.clamp_max(LINEAR_TO_HZ / HZ_A_MEL) + above


def mel_to_hz(mel: Tensor) -> Tensor:
    """The inverse of `hz_to_mel`."""
    knee = LINEAR_TO_HZ / HZ_A_MEL
    return mel.clamp_max(knee) * HZ_A_MEL * ((mel - knee).clamp_min(0.0) * LOG_STEP).exp()


def mel_filters(sample_rate_hz: int, window_samples: int, num_bands: int) -> Tensor:
    """Triangles of equal area over the bins of a Fourier transform.

    With edges f_0, ..., f_{n+1} evenly spaced in mel from 0 Hz to half of the sample rate, band b
    weighs a frequency f by 2 / (f_{b+2} - f_b) max(0, min((f - f_b) / (f_{b+1} - f_b),
    (f_{b+2} - f) / (f_{b+2} - f_{b+1}))).

    Args:
        sample_rate_hz: of the waveforms.
        window_samples: of the transform.
        num_bands: n.

    Returns:
        (num_bands, window_samples // 2 + 1) float64.

    Source: McFee et al. 2015, doi 10.25080/Majora-7b98e3ed-003, `librosa.filters.mel` with its
    defaults.
    """
    top = torch.tensor(sample_rate_hz / 2, dtype=torch.float64)
    edges = mel_to_hz(torch.linspace(0, float(hz_to_mel(top)), num_bands + 2, dtype=torch.float64))
    bins_hz = torch.linspace(0, float(top), window_samples // 2 + 1, dtype=torch.float64)
    low, middle, high = (edges[i : num_bands + i, None] for i in range(3))
    rising, falling = (bins_hz - low) / (middle - low), (high - bins_hz) / (high - middle)
    return 2 / (high - low) * torch.minimum(rising, falling).clamp_min(0)
