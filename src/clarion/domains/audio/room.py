"""What a room, and a narrow line, make of a sound."""

from __future__ import annotations

import math

import torch
from torch import Tensor

FIRST_S = 0.002
"""Nothing comes back from a wall before this."""


def room_response(
    t60_s: float, direct_db: float, sample_rate_hz: int, generator: torch.Generator
) -> Tensor:
    """The direct sound and noise that decays: h[n] = [n = 0] + a w[n] 10^(-3 n / (rate t60)).

    w is white and 0 at first. No room is drawn: of a room this has what matters most, how long it
    rings and how much of it there is.

    Args:
        t60_s: time in which it decays by 60 dB.
        direct_db: energy of the direct sound over that of the rest.
        sample_rate_hz: samples a second.
        generator: of the randomness.

    Returns:
        (about rate t60,), the first of which is 1.

    Source: Moorer 1979, doi 10.2307/3680280.
    """
    n = torch.arange(max(2, round(t60_s * sample_rate_hz)))
    tail = torch.randn(len(n), generator=generator) * 10 ** (-3 * n / (sample_rate_hz * t60_s))
    tail[: max(1, min(round(FIRST_S * sample_rate_hz), len(n) - 1))] = 0
    tail = tail * 10 ** (-direct_db / 20) / tail.square().sum().sqrt()
    tail[0] = 1
    return tail


def convolved(sound: Tensor, response: Tensor) -> Tensor:
    """What is heard of a sound (time,) in a room, cut to its length."""
    size = 1 << (len(sound) + len(response) - 1).bit_length()
    product = torch.fft.rfft(sound, size) * torch.fft.rfft(response.to(sound), size)
    return torch.fft.irfft(product, size)[: len(sound)]


def low_passed(sound: Tensor, cut_hz: float, sample_rate_hz: int) -> Tensor:
    """A sound (time,) without what lies above; down to 0 within a sixth of an octave, no delay."""
    frequencies = torch.fft.rfftfreq(len(sound), 1 / sample_rate_hz, device=sound.device)
    octaves = (frequencies.clamp_min(1e-3) / cut_hz).log2()
    gains = (1 + torch.cos(math.pi * (6 * octaves).clamp(0, 1))) / 2
    return torch.fft.irfft(torch.fft.rfft(sound) * gains, len(sound))
