"""`clarion vocode IN OUT --model RUN`: make speech of log-mel spectrograms.

IN is a file of sound, whose spectrogram is taken, and whose length and rate the result has; or a
.npy or .npz file of levels in dB, (bands, frames), in the bands that the model knows; or a folder
of either. A picture lies beside each result.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import tyro

from clarion.cli.recordings import go_through, pairs
from clarion.domains.audio.sound_file import SUFFIXES
from clarion.domains.audio.vocode import NUMBERS, Vocoder
from clarion.process.gaussian import VPLinear
from clarion.process.grids import GivenLevels
from clarion.run.device import choose_device
from clarion.run.model import Model


@dataclass(frozen=True)
class Options:
    """Which spectrograms, and by which model.

    Args:
        spectrogram: a file of sound or of numbers, or a folder of them.
        out: a file of sound, or for a folder another one.
        model: folder of a run of the recipe `vocoder` or `diffwave`, or a model on the hub
            ("owner/name").
        num_steps: the more, the better and slower.
        sampler: name of the sampler, with settings if need be; None takes dpmpp_2m.
        grid: name of the time grid, with settings if need be.
        betas: rather than that, stop at the noise levels of a chain of these betas, that next to
            the data first: "--sampler ddpm --betas 1e-4 1e-3 0.01 0.05 0.2 0.5" is DiffWave's fast
            sampler.
        seed: of the random numbers that steps start from.
        batch_size: chunks at a time; the result does not depend on it.
        chunk_s: longest sound that is made at once; longer ones are faded together.
        precision: float32, or bfloat16 for speed.
        device: where to compute.
        json: print what was done as JSON.
    """

    spectrogram: Annotated[Path, tyro.conf.Positional]
    out: Annotated[Path, tyro.conf.Positional]
    model: str
    num_steps: int = 10
    sampler: str | None = None
    grid: str = "trailing"
    betas: tuple[float, ...] = ()
    seed: int = 0
    batch_size: int = 8
    chunk_s: float = 10.0
    precision: Literal["float32", "bfloat16"] = "float32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    json: bool = False


def main(arguments: list[str]) -> int:
    """Make sound, and say how long it took; returns the exit status."""
    options = tyro.cli(Options, args=arguments, prog="clarion vocode", description=__doc__)
    files = pairs(options.spectrogram, options.out, (*SUFFIXES, *NUMBERS))
    model = Model.load(options.model, device=choose_device(options.device))
    process = model.config.process
    scale = process.input_scale if isinstance(process, VPLinear) else 1.0
    vocoder = Vocoder(
        model,
        len(options.betas) or options.num_steps,
        options.sampler,
        GivenLevels.of_betas(options.betas, scale) if options.betas else options.grid,
        options.seed,
        options.batch_size,
        options.precision,
        options.chunk_s,
    )
    return go_through(files, vocoder.file, options.out, options.json)
