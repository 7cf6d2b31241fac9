"""Read a whole source once: every sound checked, and brought to one rate, level and length."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarion.base.condition import ConditionSpec
from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound, read_sound, resample
from clarion.domains.audio.sound_set import SoundFacts, SoundSet
from clarion.domains.audio.sources import SoundSource, open_source
from clarion.run.columns import ColumnReader, read_columns
from clarion.run.examples import OnProgress

NAMED = 5  # bad sounds named in a message; the rest are counted


def read_sound_set(
    source: SoundSource,
    positions: Sequence[int],
    *,
    sample_rate_hz: int | None,
    num_samples: int | None,
    duration_s: float | None,
    stride_s: float | None,
    level_dbfs: float | None,
    mix_down: bool,
    requests: Mapping[str, ColumnReader],
    spec: ConditionSpec | None,
    memory_limit_bytes: int,
    on_progress: OnProgress | None = None,
) -> SoundSet:
    """Decode some sounds of a source, into memory.

    Args:
        source: where they come from.
        positions: their numbers there.
        sample_rate_hz: rate to bring them to; None for that of the files, which must be one.
        num_samples: length to cut or fill them up to; None for `duration_s`.
        duration_s: the same in seconds; None for that of the longest.
        stride_s: cut a longer sound into pieces that begin so far apart, the last one filled up;
            None takes its beginning alone.
        level_dbfs: root mean square to bring each to; None leaves them as loud as they are.
        mix_down: take the mean of channels that differ.
        requests: name -> reader of the conditions that are read from columns.
        spec: of the data to train on; None fits one on these.
        memory_limit_bytes: larger sets are refused.
        on_progress: called with (sounds done, sounds in all).

    Raises:
        DataError: for sounds that cannot be read, rates that differ, or cells that cannot be read.
    """
    conditions = read_columns(requests, source, positions, spec)
    sounds, facts, bad = [], [], []
    for number, position in enumerate(positions, 1):
        name = source.name(position)
        try:
            sound = read_sound(source.fetch(position), name, mix_down=mix_down)
        except DataError as error:
            bad.append(str(error))
            continue
        finally:
            if on_progress is not None:
                on_progress(number, len(positions))
        facts.append(look_at(sound, name))
        if sample_rate_hz is None and sound.sample_rate_hz != facts[0].sample_rate_hz:
            raise DataError(
                f"The sounds differ in rate: {source.name(positions[0])} has "
                f"{facts[0].sample_rate_hz} Hz, {name} has {sound.sample_rate_hz} Hz. Set "
                "sample_rate_hz, to which all are brought."
            )
        sounds.append(
            _to_level(resample(sound, sample_rate_hz or sound.sample_rate_hz), level_dbfs)
        )
    if bad:
        raise DataError(_describe_bad(bad, len(positions)))
    rate_hz = sounds[0].sample_rate_hz
    if num_samples is None:
        longest = max(len(sound.samples) for sound in sounds)
        num_samples = longest if duration_s is None else max(1, round(duration_s * rate_hz))
    pieces = [
        (number, start)
        for number, sound in enumerate(sounds)
        for start in _starts(len(sound.samples), num_samples, stride_s, rate_hz)
    ]
    if 4 * num_samples * len(pieces) > memory_limit_bytes:
        raise DataError(
            f"{len(pieces)} sounds of {num_samples / rate_hz:.2f} s take "
            f"{4 * num_samples * len(pieces) / 2**30:.1f} GiB; set duration_s to cut them, use "
            "fewer (rows, stride_s), or raise memory_limit_gib."
        )
    waveforms = torch.zeros(len(pieces), num_samples)
    for row, (number, start) in zip(waveforms, pieces, strict=True):
        samples = sounds[number].samples[start : start + num_samples]
        row[: len(samples)] = torch.from_numpy(samples.astype(np.float32))
    used = {column for name, reader in requests.items() for column in reader.columns or (name,)}
    return SoundSet(
        waveforms=waveforms,
        sample_rate_hz=rate_hz,
        sounds=torch.tensor([number for number, _ in pieces]),
        starts=torch.tensor([start for _, start in pieces]),
        conditions=conditions,
        facts=tuple(facts),
        unused=tuple(column for column in source.columns() if column not in used),
    )


def read_noises(folder: str, sample_rate_hz: int) -> tuple[Tensor, ...]:
    """All recordings of noise in a folder, each (time,), at one rate; channels are mixed down.

    Raises:
        DataError: if there are none, or one is silent or cannot be read.
    """
    source, recordings = open_source(folder), []
    for index in range(len(source)):
        sound = read_sound(source.fetch(index), source.name(index), mix_down=True)
        if not sound.samples.any():
            raise DataError(f"{source.name(index)} is silent, which is no noise.")
        samples = resample(sound, sample_rate_hz).samples.astype(np.float32)
        recordings.append(torch.from_numpy(samples))
    return tuple(recordings)


def _starts(length: int, num_samples: int, stride_s: float | None, rate_hz: int) -> range:
    """Where pieces of a sound begin: as many as hold all of it."""
    if stride_s is None:
        return range(1)
    stride = max(1, round(stride_s * rate_hz))
    return range(0, max(1, length - num_samples + stride), stride)


def look_at(sound: Sound, name: str) -> SoundFacts:
    """What a sound is like, and what it is called."""
    return SoundFacts(
        name=name,
        sample_rate_hz=sound.sample_rate_hz,
        duration_s=sound.duration_s,
        level_dbfs=_dbfs(_root_mean_square(sound.samples)),
        peak_dbfs=_dbfs(float(np.abs(sound.samples).max())),
        is_clipped=sound.is_clipped,
        digest=hashlib.blake2b(sound.samples.tobytes(), digest_size=16).digest(),
    )


def _to_level(sound: Sound, level_dbfs: float | None) -> Sound:
    """The same sound at another root mean square; silence stays as it is."""
    now = _root_mean_square(sound.samples)
    if level_dbfs is None or now == 0:
        return sound
    return Sound(sound.samples * (10 ** (level_dbfs / 20) / now), sound.sample_rate_hz)


def _root_mean_square(samples: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def _dbfs(amplitude: float) -> float:
    return 20 * math.log10(amplitude) if amplitude > 0 else -math.inf


def _describe_bad(bad: Sequence[str], total: int) -> str:
    more = f" And {len(bad) - NAMED} more." if len(bad) > NAMED else ""
    return f"{len(bad)} of {total} sounds cannot be used. {' '.join(bad[:NAMED])}{more}"
