"""Sound from files and to files: one channel of finite numbers, full scale at 1."""

from __future__ import annotations

import io
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
        runs = np.convolve(np.append(False, (np.diff(x) == 0) & loud), np.ones(FLAT_SAMPLES - 1))
        return bool((runs > FLAT_SAMPLES - 1.5).any())


def read_sound(file: Path | bytes, name: str = "", *, mix_down: bool = False) -> Sound:
    """Read a file of sound.

    Channels that are the same are one.

    Args:
        file: its path, or what it holds.
        name: how messages call it; "" for its path.
        mix_down: take the mean of channels that differ, rather than refusing them.

    Raises:
        DataError: if the file is missing, is no sound, has several channels, or holds what is not a
            finite number.
    """
    try:
        import soundfile
    except ImportError:
        raise needs_audio("Reading sound", "soundfile") from None
    name = name or str(file)
    if isinstance(file, Path) and not file.is_file():
        raise DataError(f"There is no file {file}.")
    opened = io.BytesIO(file) if isinstance(file, bytes) else file
    try:
        samples, sample_rate_hz = soundfile.read(opened, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{name} cannot be read as sound: {error.error_string}") from None
    if not len(samples):
        raise DataError(f"{name} holds no samples.")
    if not np.isfinite(samples).all():
        at = int(np.argmin(np.isfinite(samples).all(1))) / sample_rate_hz
        raise DataError(f"{name} holds NaN or infinite samples, the first at {at:.3f} s.")
    if mix_down:
        samples = samples.mean(1, keepdims=True)
    if (samples != samples[:, :1]).any():
        raise DataError(
            f"{name} has {samples.shape[1]} channels that differ, and one is needed. "
            "Take their mean (mix_down, where there is that option), or write one to a file of its "
            "own."
        )
    return Sound(samples[:, 0].astype(np.float64), sample_rate_hz)


def write_sound(path: Path, sound: Sound) -> None:
    """Write a file, in 16 bits where that is what its ending stands for.

    What goes beyond full scale is made quieter as a whole, so that nothing is clipped.

    Raises:
        ClarionError: for samples that are not finite, or an ending that is not known.
    """
    try:
        import soundfile
    except ImportError:
        raise needs_audio("Writing sound", "soundfile") from None
    if path.suffix.lower() not in SUFFIXES:
        raise ClarionError(f"Sound is written to {' '.join(SUFFIXES)}, got {str(path)!r}.")
    if not np.isfinite(sound.samples).all():
        raise ClarionError(f"{path} is not written: its samples are not all finite.")
    samples = sound.samples / max(1.0, float(np.abs(sound.samples).max(initial=0.0)))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, sound.sample_rate_hz)


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
