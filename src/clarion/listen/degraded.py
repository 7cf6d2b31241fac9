"""What the test makes of clips itself: the low-pass anchor, and the clip of a trap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.base.streams import mix_seed
from clarion.domains.audio.sound_file import Sound

TRANSITION = 0.5 / 3.5
"""Width between pass band and stop band of the anchor's filter, as a part of its cut-off."""

STOP_DB = 60.0

TRAP_SNR_DB = -10.0


def anchor(sound: Sound, cutoff_hz: float = 3500.0) -> Sound:
    """The sound through a low-pass filter of linear phase, without delay.

    At 3500 Hz it keeps to what the standard asks: within 0.1 dB up to there, 25 dB down at 4000 Hz
    and 50 dB at 4500 Hz.

    Raises:
        DataError: if the sound has next to nothing above the cut-off, being sampled too slowly.

    Source: ITU-R BS.1534-3 2015, section 5.1 (low anchor).
    """
    if sound.sample_rate_hz < 2 * (1 + 2 * TRANSITION) * cutoff_hz:
        raise DataError(
            f"A low-pass anchor of {cutoff_hz:g} Hz does next to nothing to clips of "
            f"{sound.sample_rate_hz} Hz. Set anchor_hz to {sound.sample_rate_hz // 8} or lower, "
            "or to null for no anchor."
        )
    taps = low_pass(cutoff_hz * (1 + TRANSITION / 2), cutoff_hz * TRANSITION, sound.sample_rate_hz)
    # Not by "same": that would have the length of the filter for a sound shorter than it.
    delay = len(taps) // 2
    filtered = np.convolve(sound.samples, taps)[delay : delay + len(sound.samples)]
    return Sound(filtered, sound.sample_rate_hz)


def low_pass(middle_hz: float, width_hz: float, sample_rate_hz: int) -> NDArray[np.float64]:
    """A filter of an odd number of taps that sum to 1, by Kaiser's window.

    Source: Kaiser 1974, Proc. IEEE ISCAS 20 (length and shape for a given attenuation).
    """
    half = math.ceil((STOP_DB - 7.95) / (2.285 * 2 * math.pi * width_hz / sample_rate_hz) / 2)
    at = np.arange(-half, half + 1)
    ideal = np.sinc(2 * middle_hz / sample_rate_hz * at)
    taps = ideal * np.kaiser(2 * half + 1, 0.1102 * (STOP_DB - 8.7))
    return taps / taps.sum()


def trap(sound: Sound, name: str) -> Sound:
    """The sound under so much white noise that nobody can take it for a clear one.

    Args:
        sound: any that is not silent.
        name: of the clip; the noise follows from it.
    """
    noise = np.random.default_rng(mix_seed("trap", name)).standard_normal(len(sound.samples))
    power = float(np.mean(sound.samples**2))
    scale = math.sqrt(power * 10 ** (-TRAP_SNR_DB / 10) / float(np.mean(noise**2)))
    return Sound(sound.samples + scale * noise, sound.sample_rate_hz)
