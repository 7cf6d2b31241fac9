"""Delays are found and taken out."""

from __future__ import annotations

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.metrics.alignment import aligned, delay_samples


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(n)


@pytest.mark.parametrize("delay", [-300, -1, 0, 1, 77, 400])
@pytest.mark.parametrize("gain", [0.1, -2.0])
def test_a_shift_is_found_as_by_trying_all(delay, gain):
    whole = noise(3000)
    clean, heard = whole[500:2500], gain * whole[500 - delay : 2500 - delay]
    heard = heard + 0.3 * abs(gain) * np.random.default_rng(1).standard_normal(len(heard))
    found = delay_samples(heard, clean, 500)
    scores = {}
    for d in range(-500, 501):
        y, s = heard[max(0, d) :], clean[max(0, -d) :]
        common = min(len(y), len(s))
        scores[d] = abs(y[:common] @ s[:common])
    assert found == max(scores, key=lambda d: scores[d]) == delay
    y, s, _ = aligned(heard, clean, 500)
    assert len(y) == len(s) == 2000 - abs(delay)
    assert abs(np.corrcoef(y, s)[0, 1]) > 0.9


def test_no_farther_than_is_asked():
    clean = noise(1000)
    assert abs(delay_samples(np.roll(clean, 50), clean, 10)) <= 10
    assert delay_samples(np.ones(1), np.ones(1), 500) == 0
    burst = np.zeros(1000)
    burst[-1] = 1
    with pytest.raises(DataError, match="only 1 of 1000 samples are common"):
        aligned(burst, burst[::-1].copy(), 2000)
