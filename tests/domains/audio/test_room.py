"""Rooms ring as long as they say, and narrow lines let nothing through above."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarion.domains.audio.room import convolved, low_passed, room_response

RATE_HZ = 16_000


@pytest.mark.parametrize("t60_s", [0.2, 0.8])
def test_energy_decays_by_60_db_in_t60(t60_s: float):
    draws = [
        room_response(t60_s, 5.0, RATE_HZ, torch.Generator().manual_seed(seed))
        for seed in range(20)
    ]
    energy = np.mean([np.square(d.double().numpy()) for d in draws], 0)
    assert all(d[0] == 1 for d in draws)
    assert 10 * np.log10(energy[0] / energy[1:].sum()) == pytest.approx(5.0, abs=1e-3)
    left = 10 * np.log10(np.cumsum(energy[::-1])[::-1])  # Schroeder's integral
    early, late = (round(share * t60_s * RATE_HZ) for share in (0.1, 0.6))
    slope_db_s = (left[late] - left[early]) / ((late - early) / RATE_HZ)
    assert slope_db_s == pytest.approx(-60 / t60_s, rel=0.03)


def test_convolution_is_that_of_numpy():
    generator = torch.Generator().manual_seed(0)
    sound, response = (torch.randn(n, generator=generator).double() for n in (500, 90))
    expected = np.convolve(sound.numpy(), response.numpy())[:500]
    np.testing.assert_allclose(convolved(sound, response).numpy(), expected, atol=1e-12)


def test_a_sine_passes_below_and_is_gone_above():
    t = torch.arange(RATE_HZ, dtype=torch.float64) / RATE_HZ
    for hz, gain in ((900.0, 1.0), (1200.0, 0.0)):
        sine = torch.sin(2 * torch.pi * hz * t)
        torch.testing.assert_close(
            low_passed(sine, 1000.0, RATE_HZ), gain * sine, rtol=0, atol=1e-9
        )
