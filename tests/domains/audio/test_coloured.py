"""The spectra of coloured noise, by periodograms that do not come from the code that made it."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarion.domains.audio.coloured import LOWEST_HZ, coloured, shaped

RATE_HZ, SAMPLES = 16_000, 32_000


def band_powers(draw, count: int, bands: list[tuple[float, float]]) -> np.ndarray:
    """Mean power density of bands, over `count` draws, by numpy."""
    total = 0
    for seed in range(count):
        noise = draw(torch.Generator().manual_seed(seed)).double().numpy()
        assert noise.shape == (SAMPLES,)
        total = total + np.abs(np.fft.rfft(noise)) ** 2
    frequencies = np.fft.rfftfreq(SAMPLES, 1 / RATE_HZ)
    return np.array([total[(frequencies >= a) & (frequencies < b)].mean() for a, b in bands])


@pytest.mark.parametrize(("exponent", "db"), [(0.0, 0.0), (1.0, -3.01), (2.0, -6.02)])
def test_power_falls_so_much_an_octave(exponent: float, db: float):
    octaves = [(125.0 * 2**i, 250.0 * 2**i) for i in range(6)]
    powers = band_powers(lambda g: coloured(exponent, SAMPLES, RATE_HZ, g), 20, octaves)
    # 250 bins of 20 draws in the lowest band: a deviation of 0.06 dB
    np.testing.assert_allclose(np.diff(10 * np.log10(powers)), db, atol=0.35)


def test_below_the_lowest_it_is_flat():
    powers = band_powers(
        lambda g: coloured(2.0, SAMPLES, RATE_HZ, g), 40, [(1, LOWEST_HZ / 2), (LOWEST_HZ / 2, 20)]
    )
    assert powers[0] / powers[1] == pytest.approx(1, abs=0.25)


def test_shaped_noise_has_another_spectrum_each_time_and_comes_and_goes():
    draws = [shaped(SAMPLES, RATE_HZ, torch.Generator().manual_seed(seed)) for seed in range(20)]
    spectra = [np.log(np.abs(np.fft.rfft(d.numpy())) ** 2 + 1e-12) for d in draws]
    smooth = [s[: len(s) // 100 * 100].reshape(100, -1).mean(1) for s in spectra]
    assert np.corrcoef(smooth[0], smooth[1])[0, 1] < 0.9
    swells = [d.view(100, -1).std(1).log().std() for d in draws]
    assert min(swells) < 0.4 < max(swells)
    assert all(d.isfinite().all() for d in draws)


@pytest.mark.parametrize("num_samples", [1, 2, 800])
def test_short_noises_are_noises(num_samples: int):
    draws = [
        shaped(num_samples, RATE_HZ, torch.Generator().manual_seed(seed)) for seed in range(20)
    ]
    assert all(d.isfinite().all() and d.abs().max() > 1e-6 for d in draws)
