"""Read a whole source once: every sound checked, and brought to one rate, level and length."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.condition import ConditionSpec
from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import Sound, read_sound, resample
from clarion.domains.audio.sound_set import SoundFacts, SoundSet
from clarion.domains.audio.sources import SoundSource
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
        facts.append(look_at(sound))
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
    if 4 * num_samples * len(sounds) > memory_limit_bytes:
        raise DataError(
            f"{len(sounds)} sounds of {num_samples / rate_hz:.2f} s take "
            f"{4 * num_samples * len(sounds) / 2**30:.1f} GiB; set duration_s to cut them, use "
            "fewer (rows), or raise memory_limit_gib."
        )
    waveforms = torch.zeros(len(sounds), num_samples)
    for row, sound in zip(waveforms, sounds, strict=True):
        part = torch.from_numpy(sound.samples[:num_samples].astype(np.float32))
        row[: len(part)] = part
    used = {column for name, reader in requests.items() for column in reader.columns or (name,)}
    return SoundSet(
        waveforms=waveforms,
        sample_rate_hz=rate_hz,
        conditions=conditions,
        facts=tuple(facts),
        place=lambda index: source.name(positions[index]),
        unused=tuple(column for column in source.columns() if column not in used),
    )


def look_at(sound: Sound) -> SoundFacts:
    """What a sound is like."""
    return SoundFacts(
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
