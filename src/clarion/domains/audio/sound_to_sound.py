"""Make sound of sound, of any length, rate and number of channels: the same without noise, say."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.condition import FieldEntry
from clarion.base.errors import ClarionError
from clarion.base.options import check_whole
from clarion.base.sound import SoundCodec
from clarion.domains.audio.noise import NOISY_DBFS
from clarion.domains.audio.sound_file import (
    Sound,
    SoundWriter,
    read_blocks,
    resample_blocks,
)
from clarion.domains.audio.spectrogram_picture import draw_spectrograms
from clarion.process.grids import Grid
from clarion.run.model import Model
from clarion.sample.sampler import Sampler

NOISY = "noisy"
"""The condition by which a model is told what it shall make clear."""

OVERLAP = 0.125
"""Of one chunk with the next, as a share of its length."""

PICTURED_S = 30.0

Blocks = Iterable[NDArray[np.float64]]
"""Parts of a sound, one after the other, each (time, channels)."""

OnSamples = Callable[[int, int], None]
"""Called with (samples done, samples in all)."""


@dataclass(frozen=True)
class SoundToSound:
    """A model that is told of a recording and makes another of it, and how it is asked.

    A recording is gone through in chunks as long as what the model learnt from, which overlap;
    there the next one is faded in over the last. Chunk k is drawn by random numbers of its own, the
    same in all channels, so nothing depends on how many are drawn at a time.

    Args:
        model: conditioned on sounds.
        told: the condition by which it is told of a recording.
        num_steps: of the sampler; one gives the mean of all that it may have been.
        sampler: its name, with settings if need be; None takes that of the process.
        seed: of the random numbers.
        batch_size: chunks at a time, of all channels together.
        precision: "float32", or "bfloat16" for speed where the processor has it.
        grid: of times, or its name.

    Raises:
        ClarionError: for a model of another kind.
    """

    model: Model
    told: str = NOISY
    num_steps: int = 1
    sampler: Sampler | str | None = None
    seed: int = 0
    batch_size: int = 8
    precision: str = "float32"
    grid: Grid | str = "trailing"

    def __post_init__(self) -> None:
        check_whole("num_steps", self.num_steps, 1)
        check_whole("batch_size", self.batch_size, 1)
        entry = self.model.config.condition.get(self.told)
        codec = self.model.codec
        is_of_sound = isinstance(entry, FieldEntry) and entry.seen_as is not None
        if not is_of_sound or not isinstance(codec, SoundCodec):
            raise ClarionError(
                f"{self.model} makes no sound of sound: it has no condition {self.told!r} that is "
                "one, as those of `clarion train enhancement` have."
            )

    @property
    def codec(self) -> SoundCodec:
        """The model's."""
        codec: Any = self.model.codec
        return codec

    def file(self, source: Path, out: Path, on_samples: OnSamples = lambda *_: None) -> float:
        """Make a file of another, of its length, rate and channels, with a picture of both.

        The file is gone through twice: its level is found, and then it is told of at the level that
        the model knows. What would go beyond full scale is made quieter as a whole. A recording
        that is shorter than one sample at the model's rate stays as it is.

        Args:
            source: the file.
            out: where to; its folder must be there, and an earlier file is replaced.
            on_samples: called meanwhile.

        Returns:
            How long it is, in seconds.

        Raises:
            ClarionError: if the source cannot be used, or the result not be written.
        """
        if out.exists() and out.samefile(source):
            raise ClarionError(f"{out} is the recording itself; name another file for the result.")
        rate_hz, blocks = read_blocks(source)
        counted = _Counted(blocks)
        power = np.zeros(1)
        known = 0
        for block in resample_blocks(counted, rate_hz, self.codec.sample_rate_hz):
            power, known = power + np.square(block).sum(0), known + len(block)
        levels = np.sqrt(power / max(known, 1))
        with SoundWriter(out, rate_hz, counted.channels) as writer:
            _, blocks = read_blocks(source)
            made = self._at_rate(blocks, rate_hz, levels) if known else blocks
            for block in _cut(made, counted):
                writer.write(block)
                on_samples(writer.num_samples, counted.num_samples)
        shown = [
            Sound(_beginning(file, round(PICTURED_S * rate_hz)), rate_hz) for file in (source, out)
        ]
        draw_spectrograms(shown, out.with_suffix(".png"), (source.name, out.name), columns=1)
        return counted.num_samples / rate_hz

    def samples(self, noisy: NDArray[np.float64]) -> NDArray[np.float64]:
        """One channel (time,) at the model's rate, made anew, as long and as loud as it was."""
        level = np.sqrt(np.square(noisy[:, None]).sum(0) / max(len(noisy), 1))
        blocks = self._at_rate([noisy[:, None]], self.codec.sample_rate_hz, level)
        return np.concatenate([noisy[:0], *(block[:, 0] for block in blocks)])

    def _at_rate(
        self, blocks: Blocks, rate_hz: int, levels: NDArray[np.float64]
    ) -> Generator[NDArray[np.float64]]:
        """A recording of any rate and of these root mean squares; what is silent stays silent."""
        model_hz, known = self.codec.sample_rate_hz, 10 ** (NOISY_DBFS / 20)
        gains = known / np.where(levels > 0, levels, 1)
        heard = (gains * block for block in resample_blocks(blocks, rate_hz, model_hz))
        made = (levels / known * block for block in self.stream(heard))
        yield from resample_blocks(made, model_hz, rate_hz)

    def stream(self, blocks: Blocks) -> Generator[NDArray[np.float64]]:
        """Make anew what comes at the model's rate and level, in as much memory as a batch takes.

        Args:
            blocks: parts of a recording, one after the other, each (time, channels).

        Returns:
            The same of what is made of it: as many samples as came.
        """
        size = self.codec.num_samples
        overlap = max(1, round(OVERLAP * size)) if size > 1 else 0
        hop, rising = size - overlap, fade_in(overlap)
        tail: NDArray[np.float64] | None = None
        counted, done = _Counted(blocks), 0
        for chunks in self._batches(counted, size, hop):
            for chunk in self._made(chunks, done):
                if tail is not None:
                    chunk[:overlap] = tail + rising * (chunk[:overlap] - tail)
                yield chunk[: min(hop, counted.num_samples - done * hop)]
                tail, done = chunk[hop:], done + 1
        if tail is not None:
            yield tail[: max(0, counted.num_samples - done * hop)]

    def _batches(self, blocks: Blocks, size: int, hop: int) -> Generator[NDArray[np.float64]]:
        """Chunks (up to batch, size, channels), each `hop` after the other.

        Where a recording ends it goes on backwards: models know no sudden end.
        """
        held: NDArray[np.float64] | None = None
        common = 0  # of what is held with the chunk before
        for block in blocks:
            held = block if held is None else np.concatenate([held, block])
            count = max(1, self.batch_size // held.shape[1])
            while len(held) >= size + (count - 1) * hop:
                yield _chunks(held, count, size, hop)
                held, common = held[count * hop :], size - hop
        if held is None or len(held) <= common:
            return
        num_left = max(1, -(-(len(held) - (size - hop)) // hop))
        missing = max(0, size + (num_left - 1) * hop - len(held))
        held = np.pad(held, ((0, missing), (0, 0)), mode="symmetric")
        count = max(1, self.batch_size // held.shape[1])
        for first in range(0, num_left, count):
            part = min(count, num_left - first)
            yield _chunks(held[first * hop :], part, size, hop)

    def _made(self, chunks: NDArray[np.float64], first: int) -> NDArray[np.float64]:
        """Chunks (n, size, channels), of which the first is number `first`."""
        n, size, channels = chunks.shape
        waveforms = torch.from_numpy(chunks.transpose(0, 2, 1).reshape(n * channels, size))
        drawn = self.model.sample(
            indices=np.repeat(np.arange(first, first + n), channels).tolist(),
            condition={self.told: waveforms},
            num_steps=self.num_steps,
            sampler=self.sampler,
            grid=self.grid,
            seed=self.seed,
            batch_size=max(self.batch_size, channels),
            precision=self.precision,
        )
        return drawn.double().numpy().reshape(n, channels, size).transpose(0, 2, 1).copy()


class _Counted:
    """Blocks of a sound, how many samples there were, and how many channels."""

    def __init__(self, blocks: Blocks) -> None:
        self._blocks, self.num_samples, self.channels = blocks, 0, 1

    def __iter__(self) -> Generator[NDArray[np.float64]]:
        for block in self._blocks:
            self.num_samples, self.channels = self.num_samples + len(block), block.shape[1]
            yield block


def _chunks(held: NDArray[np.float64], count: int, size: int, hop: int) -> NDArray[np.float64]:
    return np.stack([held[i * hop : i * hop + size] for i in range(count)])


def fade_in(overlap: int) -> NDArray[np.float64]:
    """Weights (overlap, 1) of what follows: 0 in the first quarter, 1 in the last, between them
    half of a cosine. At the edges of a chunk the model knows least."""
    place = (np.arange(overlap) + 0.5) / max(overlap, 1)
    return ((1 - np.cos(np.pi * np.clip(2 * place - 0.5, 0, 1))) / 2)[:, None]


def _cut(blocks: Blocks, like: _Counted) -> Generator[NDArray[np.float64]]:
    """The same, cut or filled up to the length of another sound."""
    left = like.num_samples
    for block in blocks:
        yield block[:left]
        left -= len(block[:left])
    yield np.zeros((left, like.channels))


def _beginning(file: Path, num_samples: int) -> NDArray[np.float64]:
    """The first channel of a file, up to a length."""
    parts, length = [], 0
    _, blocks = read_blocks(file)
    for block in blocks:
        parts.append(block[:, 0])
        length += len(block)
        if length >= num_samples:
            blocks.close()
            break
    return np.concatenate(parts)[:num_samples]
