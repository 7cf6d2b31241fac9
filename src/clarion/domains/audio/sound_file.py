"""Sound from files and to files: one channel of finite numbers, full scale at 1."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError, DataError

SUFFIXES = (".wav", ".flac", ".ogg")
"""Endings of the files that are read, in the order in which they are looked for."""

FLAT_SAMPLES = 4
"""So many equal samples in a row, at a peak near full scale, are a flattened one."""

NEAR_FULL_SCALE = 0.98

FLOAT32_MAX = float(np.finfo(np.float32).max)

BLOCK_SAMPLES = 1 << 16
"""Of each channel, in a block of a file that is read or written in parts."""


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
    name = name or str(file)
    sample_rate_hz, blocks = read_blocks(file, name)
    samples = np.concatenate(list(blocks))
    if mix_down:
        samples = samples.mean(1, keepdims=True)
    if (samples != samples[:, :1]).any():
        raise DataError(
            f"{name} has {samples.shape[1]} channels that differ, and one is needed. "
            "Take their mean (mix_down, where there is that option), or write one to a file of its "
            "own."
        )
    return Sound(samples[:, 0].astype(np.float64), sample_rate_hz)


def read_blocks(file: Path | bytes, name: str = "") -> tuple[int, Generator[NDArray[np.float64]]]:
    """Read a file of sound in parts, so that its length does not matter.

    Args:
        file: its path, or what it holds.
        name: how messages call it; "" for its path.

    Returns:
        Samples a second, and blocks (up to `BLOCK_SAMPLES`, channels).

    Raises:
        DataError: if the file is missing, is no sound, holds no samples, or holds what is not a
            finite number of float32; the last two where that is found.
    """
    try:
        import soundfile
    except ImportError:
        raise needs_audio("Reading sound", "soundfile") from None
    name = name or str(file)
    if isinstance(file, Path) and not file.is_file():
        raise DataError(f"There is no file {file}.")

    def refused(error: soundfile.LibsndfileError) -> DataError:
        return DataError(f"{name} cannot be read as sound: {error.error_string}")

    try:
        opened = soundfile.SoundFile(io.BytesIO(file) if isinstance(file, bytes) else file)
    except soundfile.LibsndfileError as error:
        raise refused(error) from None

    def blocks() -> Generator[NDArray[np.float64]]:
        done = 0
        with opened:
            while True:
                try:
                    read = opened.read(BLOCK_SAMPLES, dtype="float64", always_2d=True)
                except soundfile.LibsndfileError as error:
                    raise refused(error) from None
                if not len(read):
                    break
                block = np.asarray(read, np.float64)
                is_finite = (np.abs(block) <= FLOAT32_MAX).all(1)
                if not is_finite.all():
                    at = (done + int(np.argmin(is_finite))) / opened.samplerate
                    raise DataError(
                        f"{name} holds NaN or infinite samples, the first at {at:.3f} s; what is "
                        f"beyond {FLOAT32_MAX:.1e} counts as infinite."
                    )
                done += len(block)
                yield block
        if not done:
            raise DataError(f"{name} holds no samples.")

    return opened.samplerate, blocks()


def write_sound(path: Path, sound: Sound) -> None:
    """Write a file at once; see `SoundWriter`."""
    with SoundWriter(path, sound.sample_rate_hz, 1) as writer:
        writer.write(sound.samples[:, None])


class SoundWriter:
    """Writes a file in parts, in 16 bits where that is what its ending stands for.

    What goes beyond full scale is made quieter as a whole, so that nothing is clipped: parts are
    kept beside the file, as float32, until all are there. A file that was there before stays if
    this fails.

    Args:
        path: of the file.
        sample_rate_hz: samples a second.
        channels: how many.

    Raises:
        ClarionError: for samples that are not finite, or an ending that is not known.
    """

    def __init__(self, path: Path, sample_rate_hz: int, channels: int) -> None:
        try:
            import soundfile  # noqa: F401 - whether it is there is known before anything is done
        except ImportError:
            raise needs_audio("Writing sound", "soundfile") from None
        if path.suffix.lower() not in SUFFIXES:
            raise ClarionError(f"Sound is written to {' '.join(SUFFIXES)}, got {str(path)!r}.")
        self._path, self._form = path, (sample_rate_hz, channels)
        self._peak, self.num_samples = 1.0, 0

    def __enter__(self) -> Self:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._parts = tempfile.TemporaryFile(dir=self._path.parent)
        return self

    def write(self, block: NDArray[np.float64]) -> None:
        """Append samples, (time, channels)."""
        with np.errstate(over="ignore"):
            part = np.ascontiguousarray(block, np.float32)
        if not np.isfinite(part).all():
            raise ClarionError(f"{self._path} is not written: its samples are not all finite.")
        self._peak = max(self._peak, float(np.abs(part).max(initial=0.0)))
        self.num_samples += len(part)
        self._parts.write(part.tobytes())

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        with self._parts:
            if kind is None:
                self._finish()

    def _finish(self) -> None:
        import soundfile

        rate_hz, channels = self._form
        partial = self._path.with_name(f".{self._path.name}.partial")
        form = self._path.suffix[1:].upper()
        self._parts.seek(0)
        try:
            with soundfile.SoundFile(partial, "w", rate_hz, channels, format=form) as file:
                while part := self._parts.read(4 * channels * BLOCK_SAMPLES):
                    samples = np.frombuffer(part, np.float32).reshape(-1, channels)
                    file.write(samples / self._peak)
            partial.replace(self._path)
        except soundfile.LibsndfileError as error:
            raise ClarionError(f"{self._path} cannot be written: {error.error_string}") from None
        finally:
            partial.unlink(missing_ok=True)


def resample(sound: Sound, sample_rate_hz: int) -> Sound:
    """The same sound at another rate; what lies above half of it is filtered away."""
    if sample_rate_hz == sound.sample_rate_hz:
        return sound
    blocks = resample_blocks([sound.samples[:, None]], sound.sample_rate_hz, sample_rate_hz)
    return Sound(np.concatenate([block[:, 0] for block in blocks]), sample_rate_hz)


def resample_blocks(
    blocks: Iterable[NDArray[np.float64]], from_hz: int, to_hz: int
) -> Generator[NDArray[np.float64]]:
    """The same for a sound in blocks, (time, channels)."""
    if from_hz == to_hz:
        yield from blocks
        return
    try:
        import soxr
    except ImportError:
        raise needs_audio("Resampling", "soxr") from None
    stream, channels = None, 1
    for block in blocks:
        if stream is None:
            stream = soxr.ResampleStream(from_hz, to_hz, block.shape[1], "float64", "VHQ")
        channels = block.shape[1]
        yield stream.resample_chunk(block)
    if stream is not None:
        yield stream.resample_chunk(np.zeros((0, channels)), last=True)


def needs_audio(what: str, package: str) -> ClarionError:
    """What to say where a package of the extra is missing."""
    return ClarionError(
        f"{what} needs the package {package}. Install it with: pip install 'clarion[audio]'"
    )
