"""Sound from files: one channel of finite numbers, full scale at 1, or a message why not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError, DataError

SUFFIXES = (".wav", ".flac", ".ogg")
"""Endings of the files that are read, in the order in which they are looked for."""

FLAT_SAMPLES = 4
"""So many equal samples in a row, at a peak near full scale, are a flattened one."""

NEAR_FULL_SCALE = 0.98


@dataclass(frozen=True)
class Sound:
    """One channel of sound.

    Args:
        samples: (time,), float64; full scale is 1.
        sample_rate_hz: samples a second.
    """

    samples: NDArray[np.float64]
    sample_rate_hz: int

    @property
    def duration_s(self) -> float:
        """Its length in seconds."""
        return len(self.samples) / self.sample_rate_hz

    @property
    def is_clipped(self) -> bool:
        """Whether a peak near full scale is flat."""
        x = self.samples
        loud = np.abs(x[1:]) >= NEAR_FULL_SCALE
        runs = np.convolve((np.diff(x) == 0) & loud, np.ones(FLAT_SAMPLES - 1), "valid")
        return bool((runs > FLAT_SAMPLES - 1.5).any())


def read_sound(path: Path) -> Sound:
    """Read a file of sound.

    Two channels that are the same are one.

    Raises:
        DataError: if the file is missing, is no sound, has several channels, or holds what is not a
            finite number.
    """
    try:
        import soundfile
    except ImportError:
        raise needs_audio("Reading sound", "soundfile") from None
    if not path.is_file():
        raise DataError(f"There is no file {path}.")
    try:
        samples, sample_rate_hz = soundfile.read(path, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{path} cannot be read as sound: {error.error_string}") from None
    if not len(samples):
        raise DataError(f"{path} holds no samples.")
    if not np.isfinite(samples).all():
        at = int(np.argmin(np.isfinite(samples).all(1))) / sample_rate_hz
        raise DataError(f"{path} holds NaN or infinite samples, the first at {at:.3f} s.")
    if (samples != samples[:, :1]).any():
        raise DataError(
            f"{path} has {samples.shape[1]} channels that differ, and one is needed. "
            "Choose one of them, or write their mean to a file of its own."
        )
    return Sound(samples[:, 0].astype(np.float64), sample_rate_hz)


def resample(sound: Sound, sample_rate_hz: int) -> Sound:
    """The same sound at another rate; what lies above half of it is filtered away."""
    if sample_rate_hz == sound.sample_rate_hz:
        return sound
    try:
        import soxr
    except ImportError:
        raise needs_audio("Resampling", "soxr") from None
    samples = soxr.resample(sound.samples, sound.sample_rate_hz, sample_rate_hz, quality="VHQ")
    return Sound(np.asarray(samples, np.float64), sample_rate_hz)


def needs_audio(what: str, package: str) -> ClarionError:
    """What to say where a package of the extra is missing."""
    return ClarionError(
        f"{what} needs the package {package}. Install it with: pip install 'clarion[audio]'"
    )
