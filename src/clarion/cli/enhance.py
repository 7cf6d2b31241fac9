"""`clarion enhance IN OUT --model RUN`: take the noise out of recordings of speech.

IN is a file of sound, or a folder of them at any depth; OUT likewise. Each result has the length,
the rate and the channels of its recording, and a picture of both beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from clarion.cli.recordings import go_through, pairs
from clarion.domains.audio.sound_to_sound import NOISY, SoundToSound
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
    files = pairs(options.recording, options.out)
    model = Model.load(options.model, device=choose_device(options.device))
    enhancer = SoundToSound(
        model,
        NOISY,
        options.num_steps,
        options.sampler,
        options.seed,
        options.batch_size,
        options.precision,
    )
    return go_through(files, enhancer.file, options.out, options.json)
