"""Gaussian noise of a given spectrum."""

from __future__ import annotations

import torch
from torch import Tensor

LOWEST_HZ = 20.0
"""Below it a spectrum is flat: power that rises towards 0 Hz would leave nothing for the rest."""

SHAPE_POINTS, SHAPE_DB = 8, 10.0
SWELLS_HZ = 4.0


def with_spectrum(amplitudes: Tensor, num_samples: int, generator: torch.Generator) -> Tensor:
    """Gaussian noise whose Fourier transform has these expected magnitudes.

    Args:
        amplitudes: (num_samples // 2 + 1,), at least 0.
        num_samples: how long.
        generator: of the randomness.

    Returns:
        (num_samples,).
    """
    parts = torch.randn(2, num_samples // 2 + 1, generator=generator)
    return torch.fft.irfft(amplitudes * torch.complex(parts[0], parts[1]), num_samples)


def coloured(
    exponent: float, num_samples: int, sample_rate_hz: int, generator: torch.Generator
) -> Tensor:
    """Noise whose power falls with frequency f as 1 / f^exponent: 0 white, 1 pink, 2 brown.

    Source: Timmer & König 1995, Astronomy and Astrophysics 300, 707, section 4.
    """
    frequencies = torch.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    return with_spectrum(
        frequencies.clamp_min(LOWEST_HZ) ** (-exponent / 2), num_samples, generator
    )


def shaped(num_samples: int, sample_rate_hz: int, generator: torch.Generator) -> Tensor:
    """Noise of a random spectrum that comes and goes at random.

    Its spectrum in dB goes in straight lines through points that are N(0, 10 dB), evenly spaced
    in the logarithm of the frequency. Its envelope is exp(g) with g(t) slow, up to 4 Hz, of mean 0
    and of a standard deviation that is uniform in 0 to 1.
    """
    frequencies = torch.fft.rfftfreq(num_samples, 1 / sample_rate_hz)
    place = (frequencies.clamp_min(LOWEST_HZ) / LOWEST_HZ).log()
    place = place / place[-1].clamp_min(1e-9) * (SHAPE_POINTS - 1)
    points = SHAPE_DB * torch.randn(SHAPE_POINTS, generator=generator)
    left = place.floor().long().clamp(0, SHAPE_POINTS - 2)
    levels_db = torch.lerp(points[left], points[left + 1], place - left)
    noise = with_spectrum(10 ** (levels_db / 20), num_samples, generator)
    slowest = frequencies[1] if num_samples > 1 else 0.0
    is_slow = (frequencies > 0) & (frequencies <= max(SWELLS_HZ, float(slowest)))
    swell = with_spectrum(is_slow.float(), num_samples, generator)
    depth = torch.rand((), generator=generator) / swell.std(correction=0).clamp_min(1e-9)
    return noise * (depth * swell).exp()
