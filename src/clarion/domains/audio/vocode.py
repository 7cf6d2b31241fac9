"""Make sound of log-mel spectrograms: those of other sounds, or such as a model of speech gives."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from clarion.base.condition import FieldEntry
from clarion.base.errors import ClarionError, DataError
from clarion.base.options import check_number
from clarion.base.sound import LogMel, SoundCodec
from clarion.domains.audio.sound_file import Sound, read_blocks, read_sound, write_sound
from clarion.domains.audio.sound_to_sound import OVERLAP, OnSamples, SoundToSound, fade_in
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.process.grids import Grid
from clarion.run.model import Model
from clarion.sample.sampler import Sampler

LOG_MEL = "log_mel"
"""The condition by which a vocoder is told what it shall sound like."""

NUMBERS = (".npy", ".npz")
"""Endings of files of levels."""


@dataclass(frozen=True)
class Vocoder:
    """A model that makes sound of log-mel spectrograms, and how it is asked.

    Args:
        model: conditioned on `log_mel`.
        num_steps: of the sampler.
        sampler: its name, with settings if need be; None takes that of the process.
        grid: of times, or its name.
        seed: of the random numbers.
        batch_size: chunks at a time.
        precision: "float32", or "bfloat16" for speed where the processor has it.
        chunk_s: longest sound that is made at once, where the network takes any length; longer
            ones are made in chunks that overlap, and faded one into the other.

    Raises:
        ClarionError: for a model of another kind.
    """

    model: Model
    num_steps: int = 10
    sampler: Sampler | str | None = None
    grid: Grid | str = "trailing"
    seed: int = 0
    batch_size: int = 8
    precision: str = "float32"
    chunk_s: float = 10.0

    def __post_init__(self) -> None:
        log_mel_of(self.model)
        check_number("chunk_s", self.chunk_s, 0.1, 600.0)

    def file(self, source: Path, out: Path, on_samples: OnSamples = lambda *_: None) -> float:
        """Make a file of sound, with a picture beside it.

        Args:
            source: a sound, whose spectrogram is taken, and whose length and rate the result has;
                or levels, see `read_levels`.
            out: where to.
            on_samples: called with (samples done, samples in all) meanwhile.

        Returns:
            How long it is, in seconds.

        Raises:
            ClarionError: if the source cannot be used, or the result not be written.
        """
        if source.suffix.lower() not in NUMBERS:
            rate_hz, blocks = read_blocks(source)
            duration_s = sum(map(len, blocks)) / rate_hz
            return self._at(self._samples(duration_s)).file(source, out, on_samples)
        samples = self.of_levels(read_levels(source, log_mel_of(self.model)))
        sound = Sound(samples, log_mel_of(self.model).sample_rate_hz)
        write_sound(out, sound)
        draw_spectrograms([read_sound(out)], out.with_suffix(".png"), [out.name])
        on_samples(len(samples), len(samples))
        return sound.duration_s

    def of_sound(self, samples: NDArray[np.float64]) -> NDArray[np.float64]:
        """One channel (time,) at the model's rate, made anew, as long and as loud as it was."""
        duration_s = len(samples) / log_mel_of(self.model).sample_rate_hz
        return self._at(self._samples(duration_s)).samples(samples)

    def of_levels(self, levels_db: Tensor) -> NDArray[np.float64]:
        """Sound of levels in dB.

        Args:
            levels_db: (bands, frames), as `LogMel.levels_db` of the model gives them.

        Returns:
            ((frames - 1) hop_samples,) at the model's rate.
        """
        told = log_mel_of(self.model)
        num_samples = (levels_db.shape[1] - 1) * told.hop_samples
        model = at_length(self.model, self._samples(num_samples / told.sample_rate_hz))
        told = log_mel_of(model)
        whole = told.num_frames - 1
        step = whole - max(1, round(OVERLAP * whole)) if levels_db.shape[1] > whole + 1 else whole
        starts = range(0, max(1, levels_db.shape[1] - 1 - (whole - step)), step)
        missing = starts[-1] + told.num_frames - levels_db.shape[1]
        levels_db = functional.pad(levels_db, (0, max(0, missing)), mode="replicate")
        chunks = torch.stack([levels_db[:, i : i + told.num_frames] for i in starts])
        drawn = model.sample(
            len(starts),
            condition={LOG_MEL: told.normalised(chunks)},
            num_steps=self.num_steps,
            sampler=self.sampler,
            grid=self.grid,
            seed=self.seed,
            batch_size=self.batch_size,
            precision=self.precision,
        )
        return _joined(drawn.double().numpy(), step * told.hop_samples)[:num_samples]

    def _samples(self, duration_s: float) -> int:
        """How many are made at once of a sound of this length: whole frames."""
        told = log_mel_of(self.model)
        num_samples = min(duration_s, self.chunk_s) * told.sample_rate_hz
        return max(1, math.ceil(num_samples / told.hop_samples - 1e-6)) * told.hop_samples

    def _at(self, num_samples: int) -> SoundToSound:
        """What goes through sounds in chunks of this length, or of the model's own."""
        return SoundToSound(
            at_length(self.model, num_samples),
            LOG_MEL,
            self.num_steps,
            self.sampler,
            self.seed,
            self.batch_size,
            self.precision,
            self.grid,
        )


def log_mel_of(model: Model) -> LogMel:
    """What a vocoder is told.

    Raises:
        ClarionError: for a model of another kind.
    """
    entry = model.config.condition.get(LOG_MEL)
    seen_as = entry.seen_as if isinstance(entry, FieldEntry) else None
    if not isinstance(seen_as, LogMel) or not isinstance(model.codec, SoundCodec):
        raise ClarionError(
            f"{model} is no vocoder: it has no condition {LOG_MEL!r} of sounds, as "
            "`clarion train vocoder` gives it."
        )
    return seen_as


def at_length(model: Model, num_samples: int) -> Model:
    """The same vocoder for sounds of another length, where its network takes any.

    Args:
        model: with the condition `log_mel`; its weights are shared.
        num_samples: of what it shall make.
    """
    told, codec = log_mel_of(model), model.codec
    assert isinstance(codec, SoundCodec), "that is what vocoders have"
    if not model.config.network.takes_any_length or num_samples == codec.num_samples:
        return model
    codec = replace(codec, num_samples=num_samples)
    entry = FieldEntry.of_sound(replace(told, num_samples=num_samples))
    entry = replace(entry, dropout=model.config.condition[LOG_MEL].dropout)
    config = replace(
        model.config,
        shape=codec.model_shape((num_samples,)),
        condition={**model.config.condition, LOG_MEL: entry},
    )
    return Model(config, model.denoiser, codec)


def read_levels(file: Path, told: LogMel) -> Tensor:
    """Read levels in dB, (bands, frames), from a file of numpy; of several arrays the only one.

    Raises:
        DataError: if it holds something else.
    """
    if not file.is_file():
        raise DataError(f"There is no file {file}.")
    try:
        with file.open("rb") as opened:
            read = np.load(opened, allow_pickle=False)
            levels = np.asarray(_only(read, file) if isinstance(read, Mapping) else read)
    except (ValueError, OSError, EOFError, BadZipFile) as error:
        raise DataError(f"{file} cannot be read as an array: {error}") from None
    wanted = f"levels in dB of {told.num_bands} mel bands, (bands, frames), of 2 frames or more"
    if levels.ndim != 2 or levels.shape[0] != told.num_bands or levels.shape[1] < 2:
        raise DataError(f"{file} must hold {wanted}, got shape {levels.shape}.")
    if levels.dtype.kind not in "fiu" or not np.isfinite(levels).all():
        raise DataError(f"{file} must hold {wanted}, all finite.")
    return torch.from_numpy(levels.astype(np.float32))


def _only(arrays: Mapping[str, NDArray[np.float64]], file: Path) -> NDArray[np.float64]:
    if len(arrays) != 1:
        raise DataError(f"{file} must hold one array, got {', '.join(arrays) or 'none'}.")
    return next(iter(arrays.values()))


def _joined(chunks: NDArray[np.float64], step: int) -> NDArray[np.float64]:
    """Chunks (n, size), each `step` samples after the other, faded one into the other."""
    overlap = chunks.shape[1] - step
    joined = np.zeros((len(chunks) - 1) * step + chunks.shape[1])
    rising = fade_in(overlap)[:, 0]
    for number, chunk in enumerate(chunks):
        here = joined[number * step :][: len(chunk)]
        if number:
            chunk[:overlap] = here[:overlap] + rising * (chunk[:overlap] - here[:overlap])
        here[:] = chunk
    return joined
