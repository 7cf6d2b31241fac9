"""The order of every deterministic sampler, with every start, on every process.

Data are Gaussian with four variances, so the probability flow is known in closed form. The flow
from noise level 2 to 0.5 is computed in float64 on grids of 64, 128 and 256 steps, short and long
in turn, 1:2 in log noise level; the order is log2 of the ratio of the largest errors on two grids.
Quoted is the finest pair whose error stays above the rounding of float64.
"""

from __future__ import annotations

from rich.table import Table

from clarion.process import PROCESSES
from clarion.sample import SAMPLERS, AffineSampler
from clarion.verify.gaussian_flow import EXAMPLE
from clarion.verify.suite.orders import (
    END,
    NUM_STEPS,
    START,
    VARIED,
    finest_order,
    flow_errors,
    variants,
)
from harness import Benchmark


def main() -> None:
    """Measure, print, write."""
    benchmark = Benchmark(__file__, __doc__ or "")
    results: dict[str, dict[str, object]] = {}
    table = Table("sampler", "start", "stated", *PROCESSES)
    affine = {n: cls for n, cls in SAMPLERS.items() if issubclass(cls, AffineSampler)}
    deterministic = {n: cls for n, cls in affine.items() if not cls().is_stochastic}
    starts = {"start": VARIED["start"]}
    for name, start, sampler in (
        (name, options.get("start", ""), sampler)
        for name, cls in deterministic.items()
        for options, sampler in variants(cls, starts)
    ):
        observed = {p: finest_order(flow_errors(sampler, c())) for p, c in PROCESSES.items()}
        key = f"{name}/{start}" if start else name
        results[key] = {"stated": sampler.order, "observed": observed}
        shown = [f"{order:.2f}" for order in observed.values()]
        table.add_row(name, start, str(sampler.order), *shown)
    benchmark.console.print(table)
    settings = {
        "levels": [START, END],
        "num_steps": NUM_STEPS,
        "variance": EXAMPLE.variance.tolist(),
    }
    benchmark.write(settings, results)


if __name__ == "__main__":
    main()
