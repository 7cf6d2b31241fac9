"""The clips of a study: found in folders, checked against each other, made ready to be heard."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from clarion.base.errors import DataError
from clarion.domains.audio.sound_file import SUFFIXES, Sound, read_sound, resample
from clarion.listen.degraded import anchor, trap
from clarion.listen.loudness import SHORTEST_S, at_loudness
from clarion.listen.study import ANCHOR, TRAP, Study

FADE_S = 0.01
"""At both ends, so that nothing clicks where a clip begins, ends, or is repeated."""

SHOWN = 5
"""Names in a message."""


def find_clips(study: Study, folder: Path) -> dict[str, dict[str, Path]]:
    """Item -> system, the reference among them -> its file, FOLDER/SYSTEM/ITEM.wav, .flac or .ogg.

    Raises:
        DataError: if a folder or a clip is missing, or one is there twice.
    """
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}.")
    systems = (*study.systems, *(() if study.reference is None else (study.reference,)))
    found = {system: _clips_of(folder / system) for system in systems}
    items = study.items or tuple(sorted(set().union(*found.values())))
    for system, clips in found.items():
        missing = [item for item in items if item not in clips]
        if missing:
            more = f" and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
            raise DataError(
                f"{folder / system} lacks {len(missing)} of {len(items)} items: "
                f"{', '.join(missing[:SHOWN])}{more}. Each item needs a clip of each system."
            )
    if len(items) < 2:
        raise DataError(f"A study needs at least 2 items, {folder} holds {len(items)}.")
    return {item: {system: found[system][item] for system in systems} for item in items}


def _clips_of(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}; each system has one, of its name.")
    clips: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in SUFFIXES and not path.name.startswith("."):
            if path.stem in clips:
                raise DataError(f"{path} and {clips[path.stem].name} are of the same name.")
            clips[path.stem] = path
    if not clips:
        raise DataError(f"{folder} holds no clips ({', '.join(SUFFIXES)}).")
    return clips


def prepared(
    study: Study, found: Mapping[str, Mapping[str, Path]]
) -> Iterator[tuple[str, dict[str, Sound]]]:
    """Each item with its conditions as they are heard, the anchor and the trap among them.

    They have one rate, within an item one length, and all one loudness.

    Raises:
        DataError: naming the file, for one that cannot be read, is clipped, silent or too short, or
            that differs from the others in its rate or length.
    """
    rate_hz = study.sample_rate_hz
    for item, paths in found.items():
        sounds = {system: _read(study, path) for system, path in paths.items()}
        if rate_hz is None:  # that of the first clip of all
            rate_hz = next(iter(sounds.values())).sample_rate_hz
        for system, sound in sounds.items():
            if study.sample_rate_hz is None and sound.sample_rate_hz != rate_hz:
                raise DataError(
                    f"{paths[system]} is sampled at {sound.sample_rate_hz} Hz, others at "
                    f"{rate_hz}. Set sample_rate_hz in STUDY.json to have all resampled."
                )
        sounds = {system: resample(sound, rate_hz) for system, sound in sounds.items()}
        sounds = _of_one_length(study, paths, sounds)
        yield item, _at_one_loudness(study, item, paths, sounds)


def _read(study: Study, path: Path) -> Sound:
    sound = read_sound(path)
    if sound.duration_s < SHORTEST_S:
        raise DataError(
            f"{path} lasts {sound.duration_s:.3f} s, and {SHORTEST_S} s is the least to be judged."
        )
    if sound.is_clipped and not study.allow_clipped:
        raise DataError(
            f"{path} is clipped: peaks near full scale are flat. Write it at a lower level; or, if "
            'that is how the system sounds, set "allow_clipped": true in STUDY.json.'
        )
    return sound


def _of_one_length(
    study: Study, paths: Mapping[str, Path], sounds: dict[str, Sound]
) -> dict[str, Sound]:
    shortest, longest = (
        choose(sounds, key=lambda system: len(sounds[system].samples)) for choose in (min, max)
    )
    length = len(sounds[shortest].samples)
    difference_s = sounds[longest].duration_s - sounds[shortest].duration_s
    if difference_s > study.length_tolerance_s:
        raise DataError(
            f"{paths[longest]} lasts {sounds[longest].duration_s:.4f} s and {paths[shortest]} "
            f"{sounds[shortest].duration_s:.4f} s; clips of an item must be of one length. Where "
            "only ends differ, set length_tolerance_s in STUDY.json to have the rest cut off."
        )
    return {s: Sound(x.samples[:length], x.sample_rate_hz) for s, x in sounds.items()}


def _at_one_loudness(
    study: Study, item: str, paths: Mapping[str, Path], sounds: dict[str, Sound]
) -> dict[str, Sound]:
    source = sounds[study.trap_source]
    levelled: dict[str, Sound] = {}
    for name in (*sounds, *((ANCHOR,) if study.has_anchor else ()), TRAP):
        try:
            if name == TRAP:
                sound = trap(source, item)
            elif name == ANCHOR and study.anchor_hz is not None:
                sound = anchor(source, study.anchor_hz)
            else:
                sound = sounds[name]
            levelled[name] = at_loudness(_faded(sound), study.loudness_lufs)
        except DataError as error:
            made = "" if name in paths else f" (for the {name})"
            raise DataError(f"{paths.get(name, paths[study.trap_source])}{made}: {error}") from None
    return levelled


def _faded(sound: Sound) -> Sound:
    length = min(math.ceil(FADE_S * sound.sample_rate_hz), len(sound.samples) // 2)
    rise = np.sin(np.linspace(0, np.pi / 2, length)) ** 2
    envelope = np.ones(len(sound.samples))
    envelope[:length], envelope[-length:] = rise, rise[::-1]
    return Sound(sound.samples * envelope, sound.sample_rate_hz)
