"""What the commands that make recordings of recordings have in common: which, and how it went."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from clarion.base.errors import ClarionError, DataError
from clarion.cli.progress import CountProgress
from clarion.domains.audio.sound_file import SUFFIXES
from clarion.domains.audio.sources import sounds_below
from clarion.run.examples import OnProgress


def pairs(source: Path, out: Path, endings: Sequence[str] = SUFFIXES) -> list[tuple[Path, Path]]:
    """Each file, and where its result goes.

    Args:
        source: a file, or a folder of them at any depth.
        out: a file of sound, or a folder.
        endings: of the files that are taken; what is no sound becomes a .wav file.

    Raises:
        ClarionError: if there are none, two of them have one name for a result, or the one is a
            file and the other a folder.
    """
    source, out = source.expanduser(), out.expanduser()
    if source.is_dir():
        files = sounds_below(source, endings)
        if not files:
            raise DataError(f"No sounds found in {source}. Known endings: {' '.join(endings)}.")
        if out.suffix.lower() in SUFFIXES or out.is_file():
            raise ClarionError(f"{source} is a folder: name a folder for the results, not {out}.")
        made = [(file, _as_sound(out / file.relative_to(source))) for file in files]
        _check_names(made)
        return made
    if not source.exists():
        raise DataError(f"There is no file or folder {source}.")
    out = _as_sound(out / source.name) if out.is_dir() else out
    if out.suffix.lower() not in SUFFIXES:
        raise ClarionError(f"Sound is written to {' '.join(SUFFIXES)}, got {str(out)!r}.")
    return [(source, out)]


def go_through(
    files: Sequence[tuple[Path, Path]],
    make: Callable[[Path, Path, OnProgress], float],
    out: Path,
    as_json: bool,
) -> int:
    """Make each file, and say how long it took; returns the exit status.

    Args:
        files: those of `pairs`.
        make: called with a file, where its result goes, and what shows how far it is; returns how
            many seconds of sound it made.
        out: where the results are.
        as_json: print what was done as JSON.

    Raises:
        DataError: at the end, if some could not be used.
    """
    duration_s, seconds, refused = 0.0, 0.0, []
    for source, result in files:
        result.parent.mkdir(parents=True, exist_ok=True)
        with CountProgress(source.name) as progress:
            start = time.perf_counter()
            try:
                duration_s += make(source, result, progress.count)
            except DataError as error:
                refused.append(str(error))
            else:
                seconds += time.perf_counter() - start
    if len(refused) < len(files):
        summary = {
            "out": str(out),
            "files": len(files) - len(refused),
            "duration_s": duration_s,
            "real_time_factor": seconds / duration_s,
        }
        print(json.dumps(summary) if as_json else _in_words(summary))
    if refused:
        raise DataError(
            f"{len(refused)} of {len(files)} files were left out. {' '.join(refused)}"
            if len(files) > 1
            else refused[0]
        )
    return 0


def _check_names(files: Sequence[tuple[Path, Path]]) -> None:
    """Refuse results of one name: pictures beside them have none but that."""
    named: dict[Path, Path] = {}
    for source, result in files:
        other = named.setdefault(result.with_suffix(""), source)
        if other != source:
            raise DataError(
                f"{other} and {source} would both be made {result.stem!r}; rename one of them."
            )


def _as_sound(path: Path) -> Path:
    return path if path.suffix.lower() in SUFFIXES else path.with_suffix(SUFFIXES[0])


def _in_words(summary: dict) -> str:
    files = f"{summary['files']} files, " if summary["files"] > 1 else ""
    return (
        f"{summary['out']}: {files}{summary['duration_s']:.1f} s, "
        f"real-time factor {summary['real_time_factor']:.3f}"
    )
