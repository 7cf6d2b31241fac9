"""The transform is that of the formula, and its inverse gives the waveform back."""

from __future__ import annotations

import cmath
import math

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.sound.stft import STFT


def direct(x: torch.Tensor, window: int, hop: int, k: int, m: int) -> complex:
    """The sum of the docstring, term by term."""
    w = [math.sin(math.pi * n / window) ** 2 for n in range(window)]
    total = 0j
    for n in range(window):
        at = n + m * hop - window // 2
        value = float(x[at]) if 0 <= at < len(x) else 0.0
        total += w[n] * value * cmath.exp(-2j * math.pi * k * n / window)
    return 2 / sum(w) * total


@pytest.mark.parametrize(("num_samples", "window", "hop"), [(40, 16, 8), (37, 16, 4), (1, 16, 8)])
def test_each_number_is_the_sum_of_the_formula(num_samples, window, hop):
    stft = STFT(window, hop)
    x = torch.randn(1, num_samples, dtype=torch.float64)
    spectra = stft.analyse(x)
    assert spectra.shape == (1, stft.num_bins, stft.num_frames(num_samples))
    expected = torch.tensor(
        [
            [direct(x[0], window, hop, k, m) for m in range(spectra.shape[2])]
            for k in range(stft.num_bins)
        ],
        dtype=torch.complex128,
    )
    torch.testing.assert_close(spectra[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("num_samples", [1, 2, 63, 64, 65, 1000])
@pytest.mark.parametrize(("window", "hop"), [(128, 64), (126, 63), (64, 16), (10, 3)])
def test_the_inverse_is_exact(num_samples, window, hop):
    x = torch.randn(2, num_samples, dtype=torch.float64)
    stft = STFT(window, hop)
    torch.testing.assert_close(stft.synthesise(stft.analyse(x), num_samples), x, rtol=0, atol=1e-12)


def test_a_sine_of_full_scale_is_0_dbfs():
    stft, rate_hz = STFT(256, 64), 8000
    t = torch.arange(rate_hz, dtype=torch.float64) / rate_hz
    sine = torch.sin(2 * math.pi * 40 * rate_hz / 256 * t)[None]
    assert float(stft.analyse(sine)[0, 40, 60].abs()) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("window", "hop"), [(15, 4), (0, 1), (16, 9), (16, 0)])
def test_what_has_no_inverse_is_refused(window, hop):
    with pytest.raises(ClarionError, match="_samples must be"):
        STFT(window, hop)
