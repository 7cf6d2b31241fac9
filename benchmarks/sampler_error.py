"""Error of each deterministic sampler at 6 to 20 network evaluations, where the answer is known.

The denoiser is exact: that of a mixture of Gaussians shaped like data. Samples are 8x8 pictures of
unit variance, as the normaliser makes them, whose power falls with the squared frequency; a share
of the variance lies between the modes, the rest inside them, in the same proportion. Two such
mixtures are used: "broad" (a third between 16 modes) and "sharp" (nine tenths between 32 modes).

From the same starting noise every sampler follows the same flow to clean data. Its error is the
distance to the end of that flow (`dpmpp_3m` with 1000 steps in float64), root mean square over the
elements of a sample, then the mean over samples. The mean and not the mean square: a sample that
ends in another mode is far off, and one of them would outweigh all others. A sampler that cannot
use a number of evaluations exactly is given the most steps that fit into it.

The tables give, over all mixtures and processes, the geometric mean of the error as a multiple of
that of the first row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clarion.denoise.exact import MixtureDenoiser
from clarion.process import EDM, Flow, GaussianProcess, VPLinear
from clarion.process.grids import Grid, Karras, LogSNRUniform, TimeUniform, Trailing
from clarion.sample import Sampler, sample
from clarion.sample.adams import DEISSampler, IPNDMSampler
from clarion.sample.ancestral import DDIMSampler
from clarion.sample.exponential import DPMpp2MSampler, DPMpp3MSampler, UniPCSampler
from clarion.sample.heun import HeunSampler
from harness import Benchmark, bootstrap

SIDE = 8
EVALUATIONS = (6, 8, 10, 12, 16, 20)
NUM_STEPS_OF_REFERENCE = 1000
STARTS = ("euler", "corrected", "heun", "runge_kutta")

SAMPLERS: dict[str, Sampler] = {
    "dpmpp_2m, corrected": DPMpp2MSampler(),
    "dpmpp_2m, euler": DPMpp2MSampler(start="euler"),
    "dpmpp_3m, corrected": DPMpp3MSampler(),
    "dpmpp_3m, euler": DPMpp3MSampler(start="euler"),
    "dpmpp_3m, heun": DPMpp3MSampler(start="heun"),
    "unipc 1": UniPCSampler(solver_order=1),
    "unipc 2": UniPCSampler(),
    "unipc 3": UniPCSampler(solver_order=3),
    **{
        f"deis {k}, {start}": DEISSampler(solver_order=k, start=start)
        for k in (2, 3)
        for start in STARTS[: max(2, k)]
    },
    **{f"ipndm 4, {start}": IPNDMSampler(start=start) for start in STARTS},
    "heun": HeunSampler(),
    "ddim": DDIMSampler(),
}

# VE and the cosine process differ from these by the ends of their grids alone.
PROCESSES: dict[str, GaussianProcess] = {
    "edm": EDM(),
    "vp_linear": VPLinear(),
    "flow": Flow(),
}

GRIDS: dict[str, Grid] = {
    "karras": Karras(),
    "karras, rho 5": Karras(rho=5.0),
    "karras, rho 10": Karras(rho=10.0),
    "log_snr_uniform": LogSNRUniform(),
    "time_uniform": TimeUniform(),
    "trailing": Trailing(),
}

MAIN_GRIDS = ("karras", "log_snr_uniform")
"""Every sampler is measured on these."""

MAIN_SAMPLERS = ("dpmpp_2m, corrected", "dpmpp_3m, corrected", "unipc 2", "unipc 3")
"""These are measured on every grid."""

MIXTURES = {"broad": (16, 1 / 3), "sharp": (32, 0.9)}
"""Name -> number of modes, share of the variance that lies between them."""


def mixture(process: GaussianProcess, num_modes: int, share_between: float) -> MixtureDenoiser:
    """A mixture whose total covariance has the spectrum of pictures and unit mean variance."""
    generator = torch.Generator().manual_seed(num_modes)
    basis, spectrum = picture_spectrum()
    means = torch.randn(num_modes, SIDE**2, generator=generator, dtype=torch.float64)
    means -= means.mean(0)
    # Exactly the variance that is wanted along every direction, on average over directions.
    means = means * (share_between * spectrum).sqrt()
    means *= math.sqrt(share_between * SIDE**2 / float(means.square().sum(1).mean()))
    covariance = basis @ torch.diag((1 - share_between) * spectrum) @ basis.T
    return MixtureDenoiser(
        process,
        torch.full((num_modes,), 1 / num_modes, dtype=torch.float64),
        means @ basis.T,
        covariance.expand(num_modes, -1, -1),
    )


def picture_spectrum() -> tuple[Tensor, Tensor]:
    """Cosine basis (dim, dim), in columns, and variances (dim,) that fall as 1 / frequency²."""
    k = torch.arange(SIDE, dtype=torch.float64)
    wave = torch.cos(math.pi * (k[:, None] + 0.5) * k / SIDE) * math.sqrt(2 / SIDE)
    wave[:, 0] = 1 / math.sqrt(SIDE)
    squared = (k[:, None] ** 2 + k**2).flatten()
    variances = 1 / squared.clamp(min=0.5)
    return torch.kron(wave, wave), variances / variances.mean()


def steps_for(sampler: Sampler, process: GaussianProcess, grid: Grid, evaluations: int) -> int:
    """The most steps that cost no more than so many evaluations."""
    steps = evaluations
    while sampler.plan(process, grid(process, steps)).num_evaluations > evaluations:
        steps -= 1
    return steps


def errors(
    denoiser: MixtureDenoiser, sampler: Sampler, grid: Grid, reference: Tensor
) -> dict[str, list[float]]:
    """Each statistic of the distances, at each number of evaluations."""
    columns: dict[str, list[float]] = {
        key: [] for key in ("num_steps", "mean", "low", "high", "median", "rms")
    }
    for evaluations in EVALUATIONS:
        steps = steps_for(sampler, denoiser.process, grid, evaluations)
        x0 = draw(denoiser, len(reference), sampler, grid, steps)
        distance = (x0 - reference).square().mean(1).sqrt().numpy()
        low, high = bootstrap(distance, lambda drawn: drawn.mean(-1))
        rms = float(np.sqrt(np.square(distance).mean()))
        row = (steps, float(distance.mean()), low, high, float(np.median(distance)), rms)
        for column, value in zip(columns.values(), row, strict=True):
            column.append(value)
    return columns


def draw(denoiser: MixtureDenoiser, n: int, sampler: Sampler, grid: Grid, steps: int) -> Tensor:
    return sample(
        denoiser,
        (SIDE**2,),
        n=n,
        sampler=sampler,
        grid=grid,
        num_steps=steps,
        dtype=torch.float64,
    )


def geometric_mean(values: Sequence[float]) -> float:
    return math.exp(sum(map(math.log, values)) / len(values))


def measure(processes: Sequence[str], n: int) -> list[dict[str, Any]]:
    """Every sampler on two grids, some on all, for each mixture and process."""
    cells = []
    for mixture_name, (num_modes, share) in MIXTURES.items():
        for process_name in processes:
            denoiser = mixture(PROCESSES[process_name], num_modes, share)
            reference = draw(denoiser, n, DPMpp3MSampler(), LogSNRUniform(), NUM_STEPS_OF_REFERENCE)
            for grid_name, grid in GRIDS.items():
                for sampler_name, sampler in SAMPLERS.items():
                    if grid_name in MAIN_GRIDS or sampler_name in MAIN_SAMPLERS:
                        cell = {"mixture": mixture_name, "process": process_name}
                        cell |= {"grid": grid_name, "sampler": sampler_name}
                        found = errors(denoiser, sampler, grid, reference)
                        cells.append(cell | {"errors": found})
    return cells


def ranking(cells: Sequence[dict[str, Any]], by: str, **where: str) -> dict[str, list[float]]:
    """Name -> geometric mean of the errors that `where` picks, at each number of evaluations."""
    chosen = [cell for cell in cells if all(cell[key] == value for key, value in where.items())]
    return {
        name: [
            geometric_mean([cell["errors"]["mean"][i] for cell in chosen if cell[by] == name])
            for i in range(len(EVALUATIONS))
        ]
        for name in dict.fromkeys(cell[by] for cell in chosen)
    }


def show(benchmark: Benchmark, title: str, table: dict[str, list[float]]) -> None:
    first = next(iter(table.values()))
    benchmark.table(
        f"{title}: error, as a multiple of the first row's",
        ("", *(f"{k}" for k in EVALUATIONS), "all"),
        (
            (
                name,
                *(f"{value / base:.2f}" for value, base in zip(row, first, strict=True)),
                f"{geometric_mean(row) / geometric_mean(first):.2f}",
            )
            for name, row in table.items()
        ),
    )
    benchmark.console.print(
        "first row: " + "  ".join(f"{k}: {e:.4f}" for k, e in zip(EVALUATIONS, first, strict=True))
    )


def main() -> None:
    benchmark = Benchmark(__file__, __doc__ or "")
    quick = benchmark.options.quick
    n = 16 if quick else 64
    processes = ["edm", "vp_linear"] if quick else ["edm", "vp_linear", "flow"]
    cells = measure(processes, n)
    tables = {f"samplers on {grid}": ranking(cells, "sampler", grid=grid) for grid in MAIN_GRIDS}
    for mixture_name in MIXTURES:
        title = f"samplers on log_snr_uniform, {mixture_name} mixture"
        where = {"grid": "log_snr_uniform", "mixture": mixture_name}
        tables[title] = ranking(cells, "sampler", **where)
    for name in MAIN_SAMPLERS:
        tables[f"grids under {name}"] = ranking(cells, "grid", sampler=name)
    for title, table in tables.items():
        show(benchmark, title, table)
    benchmark.write(
        {
            "dim": SIDE**2,
            "n": n,
            "dtype": "float64",
            "evaluations": EVALUATIONS,
            "processes": processes,
            "mixtures": MIXTURES,
        },
        {"geometric_means_of_the_mean_distance": tables, "cells": cells},
    )


if __name__ == "__main__":
    main()
