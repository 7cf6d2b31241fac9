"""`clarion enhance IN OUT --model RUN`: take the noise out of recordings of speech.

IN is a file of sound, or a folder of them at any depth; OUT likewise. Each result has the length,
the rate and the channels of its recording, and a picture of both beside it.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from clarion.base.errors import ClarionError, DataError
from clarion.cli.progress import CountProgress
from clarion.domains.audio.enhance import Enhancer
from clarion.domains.audio.sound_file import SUFFIXES
from clarion.domains.audio.sources import sounds_below
from clarion.run.device import choose_device
from clarion.run.model import Model


@dataclass(frozen=True)
class Options:
    """Which recordings, and by which model.

    Args:
        recording: a file of sound, or a folder of them.
        out: a file, or for a folder another one.
        model: folder of a run of the recipe `enhancement`, or a model on the hub ("owner/name").
        num_steps: one gives the mean of what may have been said; more sound livelier, and take as
            much longer.
        sampler: name of the sampler, with settings if need be; None takes dpmpp_2m.
        seed: of the random numbers that steps start from.
        batch_size: chunks at a time; the result does not depend on it.
        precision: float32, or bfloat16 for speed.
        device: where to compute.
        json: print what was done as JSON.
    """

    recording: Annotated[Path, tyro.conf.Positional]
    out: Annotated[Path, tyro.conf.Positional]
    model: str
    num_steps: int = 1
    sampler: str | None = None
    seed: int = 0
    batch_size: int = 8
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    json: bool = False


def main(arguments: list[str]) -> int:
    """Enhance, and say how long it took; returns the exit status."""
    options = tyro.cli(Options, args=arguments, prog="clarion enhance", description=__doc__)
    pairs = _pairs(options.recording, options.out)
    model = Model.load(options.model, device=choose_device(options.device))
    enhancer = Enhancer(
        model,
        options.num_steps,
        options.sampler,
        options.seed,
        options.batch_size,
        options.precision,
    )
    duration_s, seconds, refused = 0.0, 0.0, []
    for source, out in pairs:
        out.parent.mkdir(parents=True, exist_ok=True)
        with CountProgress(source.name) as progress:
            start = time.perf_counter()
            try:
                duration_s += enhancer.file(source, out, progress.count)
            except DataError as error:
                refused.append(str(error))
            else:
                seconds += time.perf_counter() - start
    if len(refused) < len(pairs):
        summary = {
            "out": str(options.out),
            "files": len(pairs) - len(refused),
            "duration_s": duration_s,
            "real_time_factor": seconds / duration_s,
        }
        print(json.dumps(summary) if options.json else _in_words(summary))
    if refused:
        raise DataError(
            f"{len(refused)} of {len(pairs)} files were left out. {' '.join(refused)}"
            if len(pairs) > 1
            else refused[0]
        )
    return 0


def _pairs(recording: Path, out: Path) -> list[tuple[Path, Path]]:
    """Each recording, and where its result goes.

    Raises:
        ClarionError: if there are none, or the one is a file and the other a folder.
    """
    recording, out = recording.expanduser(), out.expanduser()
    if recording.is_dir():
        files = sounds_below(recording)
        if not files:
            raise DataError(f"No sounds found in {recording}. Known endings: {' '.join(SUFFIXES)}.")
        if out.suffix.lower() in SUFFIXES or out.is_file():
            raise ClarionError(
                f"{recording} is a folder: name a folder for the results, not {out}."
            )
        return [(file, out / file.relative_to(recording)) for file in files]
    if not recording.exists():
        raise DataError(f"There is no file or folder {recording}.")
    out = out / recording.name if out.is_dir() else out
    if out.suffix.lower() not in SUFFIXES:
        raise ClarionError(f"Sound is written to {' '.join(SUFFIXES)}, got {str(out)!r}.")
    return [(recording, out)]


def _in_words(summary: dict) -> str:
    files = f"{summary['files']} files, " if summary["files"] > 1 else ""
    return (
        f"{summary['out']}: {files}{summary['duration_s']:.1f} s, "
        f"real-time factor {summary['real_time_factor']:.3f}"
    )
