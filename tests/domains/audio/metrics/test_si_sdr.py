"""SI-SDR is the ratio of the two powers, whatever the level."""

from __future__ import annotations

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.metrics.si_sdr import si_sdr_db


@pytest.mark.parametrize("snr_db", [-5.0, 0.0, 17.0])
@pytest.mark.parametrize("gain", [1.0, 0.01, -3.0])
def test_an_orthogonal_error_gives_its_ratio(snr_db, gain):
    t = np.arange(1600) / 16000
    s = np.sin(2 * np.pi * 100 * t)
    e = np.cos(2 * np.pi * 100 * t)  # of the same power, and orthogonal over whole periods
    heard = gain * (s + 10 ** (-snr_db / 20) * e) + 0.5
    assert si_sdr_db(heard, s) == pytest.approx(snr_db, abs=1e-9)


def test_equal_signals_have_the_most():
    s = np.random.default_rng(0).standard_normal(100)
    assert si_sdr_db(2 * s, s) == 100.0


def test_silence_has_none():
    with pytest.raises(DataError, match="not defined for silence"):
        si_sdr_db(np.zeros(10), np.arange(10.0))
