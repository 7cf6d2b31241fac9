"""The anchor is what the standard asks; the trap is as noisy as it says."""

from __future__ import annotations

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound
from clarion.listen.degraded import TRAP_SNR_DB, anchor, trap


@pytest.mark.parametrize("rate_hz", [16_000, 44_100, 48_000])
def test_the_anchor_keeps_to_the_mask_of_bs_1534(rate_hz):
    impulse = np.zeros(2 * rate_hz)
    impulse[rate_hz] = 1
    response = np.abs(np.fft.rfft(anchor(Sound(impulse, rate_hz)).samples))
    level_db = 20 * np.log10(np.maximum(response, 1e-12))
    hz = np.fft.rfftfreq(2 * rate_hz, 1 / rate_hz)
    assert np.abs(level_db[hz <= 3500]).max() < 0.1
    assert level_db[hz >= 4000].max() < -25
    assert level_db[hz >= 4500].max() < -50


def test_the_anchor_has_no_delay_and_keeps_the_length():
    t = np.arange(8_000) / 16_000
    sound = Sound(np.sin(2 * np.pi * 1000 * t), 16_000)
    filtered = anchor(sound).samples
    inner = slice(1_000, -1_000)
    # 0.1 dB in the pass band are 1.2 %.
    np.testing.assert_allclose(filtered[inner], sound.samples[inner], rtol=0, atol=0.012)
    assert anchor(Sound(np.ones(10), 16_000)).samples.shape == (10,)


def test_an_anchor_that_does_nothing_is_refused():
    with pytest.raises(DataError, match="Set anchor_hz to 1000 or lower"):
        anchor(Sound(np.ones(8_000), 8_000))
    anchor(Sound(np.ones(8_000), 8_000), 1000)


def test_the_trap_is_buried_in_noise():
    t = np.arange(16_000) / 16_000
    sound = Sound(np.sin(2 * np.pi * 440 * t), 16_000)
    noise = trap(sound, "a").samples - sound.samples
    snr_db = 10 * np.log10(np.mean(sound.samples**2) / np.mean(noise**2))
    assert snr_db == pytest.approx(TRAP_SNR_DB, abs=1e-9)
    np.testing.assert_array_equal(trap(sound, "a").samples, sound.samples + noise)
    assert (trap(sound, "b").samples != trap(sound, "a").samples).any()
