"""The order of every deterministic sampler, with every start, on every process.

Data are Gaussian with four variances, so the probability flow is known in closed form. The flow
from noise level 2 to 0.5 is computed in float64 on grids of 64, 128 and 256 steps, evenly spaced in
log noise level; the order is log2 of the ratio of the largest errors on two grids. Quoted is the
finest pair whose error stays above the rounding of float64.
"""

from __future__ import annotations

import dataclasses
import math
from itertools import pairwise

import torch
from rich.table import Table
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.streams import SampleStreams
from clarion.denoise.exact import GaussianDenoiser
from clarion.process import PROCESSES, GaussianProcess
from clarion.sample import SAMPLERS, Sampler, sample
from harness import Benchmark

MEAN = torch.tensor([0.5, -1.0, 0.3, 2.0], dtype=torch.float64)
VARIANCE = torch.tensor([1.0, 0.25, 4.0, 0.5], dtype=torch.float64)
START, END = 2.0, 0.5
NUM_STEPS = (64, 128, 256)
ROUNDING = 1e-12
STARTS = ("euler", "corrected", "heun", "runge_kutta")


def variants() -> list[tuple[str, str, Sampler]]:
    """(name, start, sampler) of each deterministic sampler with each start that it allows."""
    found = []
    for name, cls in SAMPLERS.items():
        if cls().is_stochastic:
            continue
        if "start" not in {field.name for field in dataclasses.fields(cls)}:
            found.append((name, "", cls()))
            continue
        for start in STARTS:
            try:
                found.append((name, start, cls(start=start)))  # pyright: ignore[reportCallIssue]
            except ClarionError:
                continue
    return found


def flow_error(sampler: Sampler, process: GaussianProcess, num_steps: int) -> float:
    """Largest error of y = x_t / alpha at the last level, over two trajectories."""
    levels = torch.linspace(math.log(START), math.log(END), num_steps + 1, dtype=torch.float64)
    times = process.time_of_noise_level(levels.exp())
    x = sample(
        GaussianDenoiser(process, MEAN, torch.diag(VARIANCE)),
        MEAN.shape,
        n=2,
        sampler=sampler,
        times=times,
        dtype=torch.float64,
    )
    shrink = ((VARIANCE + END**2) / (VARIANCE + START**2)).sqrt()
    y = SampleStreams(0, range(2)).normal(tuple(MEAN.shape), dtype=torch.float64) * START
    expected: Tensor = MEAN + (y - MEAN) * shrink
    return float((x / process.alpha(times[-1]) - expected).abs().max())


def main() -> None:
    """Measure, print, write."""
    benchmark = Benchmark(__file__, __doc__ or "")
    results: dict[str, dict[str, object]] = {}
    table = Table("sampler", "start", "stated", *PROCESSES)
    for name, start, sampler in variants():
        observed = {}
        for process_name, process in PROCESSES.items():
            errors = [flow_error(sampler, process(), n) for n in NUM_STEPS]
            usable = [e for e in errors if e > ROUNDING]
            observed[process_name] = [math.log2(a / b) for a, b in pairwise(usable)][-1]
        key = f"{name}/{start}" if start else name
        results[key] = {"stated": sampler.order, "observed": observed}
        shown = [f"{order:.2f}" for order in observed.values()]
        table.add_row(name, start, str(sampler.order), *shown)
    benchmark.console.print(table)
    settings = {"levels": [START, END], "num_steps": NUM_STEPS, "variance": VARIANCE.tolist()}
    benchmark.write(settings, results)


if __name__ == "__main__":
    main()
