"""All clips as loud as each other, so that no system wins by being louder.

Sources: ITU-R BS.1770-4 2015 (loudness, by the library `pyloudnorm`); EBU R 128 (-23 LUFS).
"""

from __future__ import annotations

import math

import numpy as np

from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound, needs_audio, resample

SHORTEST_S = 0.4
"""Of the blocks in which loudness is measured."""

PEAK_DBFS = -1.0
"""The highest peak between samples that a clip may have."""

OVERSAMPLING = 4


def loudness_lufs(sound: Sound) -> float:
    """Its integrated loudness; minus infinity for silence.

    Raises:
        DataError: if it is too short to have one.
    """
    try:
        import pyloudnorm
    except ImportError:
        raise needs_audio("Loudness", "pyloudnorm") from None
    if sound.duration_s < SHORTEST_S:
        raise DataError(
            f"Loudness is that of at least {SHORTEST_S} s, and this lasts {sound.duration_s:.3f} s."
        )
    if not sound.samples.any():
        return -math.inf
    meter = pyloudnorm.Meter(sound.sample_rate_hz, block_size=SHORTEST_S)
    return float(meter.integrated_loudness(sound.samples))


def peak_dbfs(sound: Sound) -> float:
    """Its highest peak, also between samples, found at four times the rate."""
    between = resample(sound, OVERSAMPLING * sound.sample_rate_hz).samples
    peak = max(np.abs(sound.samples).max(), np.abs(between).max())
    return 20 * math.log10(peak) if peak else -math.inf


def at_loudness(sound: Sound, target_lufs: float) -> Sound:
    """The same sound, scaled to a loudness.

    Raises:
        DataError: for silence, for what is too short, and where peaks would be too high.
    """
    loudness = loudness_lufs(sound)
    if math.isinf(loudness):
        raise DataError("It is silent, so it cannot be brought to any loudness.")
    gain_db = target_lufs - loudness
    scaled = Sound(sound.samples * 10 ** (gain_db / 20), sound.sample_rate_hz)
    peak = peak_dbfs(scaled)
    if peak > PEAK_DBFS:
        fits = math.floor(target_lufs - (peak - PEAK_DBFS))
        raise DataError(
            f"At {target_lufs:g} LUFS its peaks reach {peak:.1f} dBFS, and {PEAK_DBFS:g} is the "
            f"most. Set loudness_lufs to {fits} or lower."
        )
    return scaled
