"""The mel scale and its filters are those of the papers."""

from __future__ import annotations

import math

import pytest
import torch

from clarion.base.sound.mel import hz_to_mel, mel_filters, mel_to_hz


def test_the_scale_is_linear_and_then_logarithmic():
    # By hand: 200/3 Hz a mel up to 1000 Hz = 15 mel; then 27 mel for a factor of 6.4.
    hz = torch.tensor([0.0, 500.0, 1000.0, 2529.8221281347, 6400.0], dtype=torch.float64)
    mel = torch.tensor([0.0, 7.5, 15.0, 28.5, 42.0], dtype=torch.float64)
    torch.testing.assert_close(hz_to_mel(hz), mel, rtol=0, atol=1e-9)
    torch.testing.assert_close(mel_to_hz(mel), hz, rtol=0, atol=1e-9)


def by_hand(rate_hz: int, window: int, num_bands: int, band: int, k: int) -> float:
    """One weight, by the triangle's own words."""

    def to_hz(mel: float) -> float:
        return mel * 200 / 3 if mel < 15 else 1000 * 6.4 ** ((mel - 15) / 27)

    half = rate_hz / 2
    top = half * 3 / 200 if half < 1000 else 15 + 27 * math.log(half / 1000) / math.log(6.4)
    low, middle, high = (to_hz(top * (band + i) / (num_bands + 1)) for i in range(3))
    f = k * rate_hz / window
    if not low < f < high:
        return 0.0
    slope = (f - low) / (middle - low) if f <= middle else (high - f) / (high - middle)
    return slope * 2 / (high - low)


@pytest.mark.parametrize(("rate_hz", "window", "num_bands"), [(8000, 256, 20), (16000, 512, 40)])
def test_each_weight_is_that_of_its_triangle(rate_hz, window, num_bands):
    filters = mel_filters(rate_hz, window, num_bands)
    expected = torch.tensor(
        [
            [by_hand(rate_hz, window, num_bands, b, k) for k in range(window // 2 + 1)]
            for b in range(num_bands)
        ],
        dtype=torch.float64,
    )
    torch.testing.assert_close(filters, expected, rtol=0, atol=1e-14)


def test_the_filters_are_those_of_librosa():
    librosa = pytest.importorskip("librosa")
    theirs = librosa.filters.mel(sr=16000, n_fft=512, n_mels=80, dtype=float)
    torch.testing.assert_close(
        mel_filters(16000, 512, 80), torch.from_numpy(theirs), rtol=0, atol=1e-12
    )
