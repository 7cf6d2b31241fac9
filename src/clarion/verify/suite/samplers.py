"""Samplers: their order, or the order of their exact moments, and their samples on all targets."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any, TypeAlias

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.process import PROCESSES
from clarion.process.grids import LogSNRUniform
from clarion.sample import SAMPLERS, AffineSampler, Sampler, sample
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import (
    EXAMPLE,
    DiagonalGaussian,
    observed_order,
    propagate,
)
from clarion.verify.report import Report
from clarion.verify.scores import judge
from clarion.verify.suite.evidence import NUM_SAMPLES, draw
from clarion.verify.suite.orders import (
    NUM_STEPS,
    ORDER_WINDOW,
    START,
    VISIBLE,
    examine_order,
    levels_of_order,
)
from clarion.verify.targets import TARGETS, Target

Refinement: TypeAlias = Callable[[AffineSampler, int], tuple[AffineSampler, list[float]]]
"""(sampler, n) -> the sampler and the levels, twice as fine where n is twice as large."""


def _finer_grid(sampler: AffineSampler, n: int) -> tuple[AffineSampler, list[float]]:
    return sampler, levels_of_order(n)


def _with_options(options: Callable[[int], dict[str, float]]) -> Refinement:
    """A finer grid, and options that go with it."""
    return lambda sampler, n: _finer_grid(replace(sampler, **options(n)), n)


REFINEMENTS: dict[str, Refinement] = {
    # So that the noise raised in a step is small already on the coarsest grid.
    "edm": _with_options(lambda n: {"s_churn": 3.0}),
    # The bias of a corrector at a fixed snr stays, however fine the grid.
    "predictor_corrector": _with_options(lambda n: {"snr": n**-0.5}),
    # As good as ten passes to tell the order by, and cheaper.
    "repaint": _with_options(lambda n: {"num_resamples": 2}),
    # Its order is in the size of the Langevin step, at one level.
    "annealed_langevin": lambda sampler, n: (
        replace(sampler, **{"steps_per_level": n, "step_size": 1 / n}),
        [START * (1 + 1e-15), START],
    ),
}
"""Stochastic samplers whose moments are refined in more than the grid alone."""

MEAN_ORDERS = {"edm": 1}
"""Order of a mean that starts wrong, where it is not that of the sampler. EDM adds noise and then
follows the flow: exact for what has the distribution of the data, a splitting of order 1 else."""


def _annealed_on_a_point(sampler: Any, levels: list[float]) -> float:
    """Variance of Langevin dynamics on data of one point: v <- (1 - delta/2)² v + delta s²."""
    steps, delta = sampler.steps_per_level, sampler.step_size
    variance = levels[0] ** 2
    for level in levels:
        for _ in range(steps):
            variance = (1 - delta / 2) ** 2 * variance + delta * level**2
    return variance


def _corrected_on_a_point(sampler: Any, levels: list[float]) -> float:
    """The same, after ancestral steps v <- (s'/s)⁴ v + s'² (s² - s'²) / s² and delta = 2 snr²."""
    steps, delta = sampler.corrector_steps, 2 * sampler.snr**2
    variance = levels[0] ** 2
    for s, s_next in pairwise(levels):
        variance = (s_next / s) ** 4 * variance + s_next**2 * (s**2 - s_next**2) / s**2
        for _ in range(steps):
            variance = (1 - delta / 2) ** 2 * variance + delta * s_next**2
    return variance


ON_A_POINT: dict[str, Callable[[Any, list[float]], float]] = {
    "annealed_langevin": _annealed_on_a_point,
    "predictor_corrector": _corrected_on_a_point,
}
"""Variance on data of one point, where it is not that of the noise at the last level: Langevin
steps of a finite size inflate it."""

OPTIONS: dict[str, dict[str, float]] = {
    "annealed_langevin": {"steps_per_level": 4, "step_size": 0.5},
    "repaint": {"num_resamples": 2},
}
"""Options to draw from the targets with, where the defaults would take too many steps."""

SETTINGS: dict[str, dict[str, Any]] = {
    # Langevin dynamics must diffuse from each level to the next, so it takes many.
    "annealed_langevin": {
        "grid": LogSNRUniform(sigma_max=30.0, sigma_min=0.03),
        "num_steps": 600,
        "n": 256,
    },
    # With 40 of churn, 48 steps would raise the noise by as much as they may.
    "edm": {"num_steps": 96},
    # Each of the steps is made twice.
    "repaint": {"n": NUM_SAMPLES // 4},
}
"""How to draw from the targets, where `STEPS_OF_ORDER` will not do."""

STEPS_OF_ORDER = {1: 192, 2: 48, 3: 48, 4: 48}
"""Steps that bring a sampler of that order below the noise floor of 2048 samples."""


def examine_sampler(name: str, sampler: Sampler) -> Report:
    """Hold one sampler against what it promises."""
    title = f"sampler {name}"
    if not isinstance(sampler, AffineSampler):
        problem = "it is no Gaussian sampler, and no examination is written for its kind"
        return Report(title, [Finding(name, "order", float("nan"), problem=problem)])
    findings = [
        _batch_finding(name, sampler),
        _last_step_finding(name, sampler),
        *_point_findings(name, sampler),
    ]
    charts = []
    if sampler.is_stochastic:
        findings += _moment_findings(name, sampler)
    else:
        order = examine_order(name, sampler)
        findings += order.findings
        charts += order.charts
    drawn = _draw_all(name, sampler)
    for target, (setting, x) in drawn.items():
        findings += judge(name, x, target, setting)
    charts.append(_weights_chart(name, {target: x for target, (_, x) in drawn.items()}))
    return Report(title, findings, charts)


def _draw_all(name: str, sampler: Sampler) -> dict[Target, tuple[str, Tensor]]:
    """Target -> how it was drawn from, and the samples."""
    settings: dict[str, Any] = {"num_steps": STEPS_OF_ORDER[sampler.order]}
    if sampler.is_stochastic:  # drawing the noise costs more than all else
        settings["n"] = NUM_SAMPLES // 2
    settings |= SETTINGS.get(name, {})
    settings["sampler"] = replace(sampler, **OPTIONS.get(name, {}))
    turn = list(SAMPLERS).index(name) if name in SAMPLERS else 0
    drawn = {}
    for number, target in enumerate(TARGETS.values(), turn):
        # In turn, so that each sampler meets each process and each process each target.
        process_name = list(PROCESSES)[number % len(PROCESSES)]
        x = draw(target, PROCESSES[process_name](), **settings)
        drawn[target] = (f"{process_name}, {settings['num_steps']} steps", x)
    return drawn


def _weights_chart(name: str, drawn: dict[Target, Tensor]) -> Chart:
    """The weight of the lightest component of each target, asked for and found."""
    names, asked, found = [], [], []
    for target, x in drawn.items():
        shares = target.shares()
        if len(shares) > 1:
            lightest = int(torch.where(shares > 0, shares, 2.0).argmin())
            names.append(target.name)
            asked.append(float(shares[lightest]))
            found.append(float(target.responsibilities(x.double()).mean(0)[lightest]))
    series = [
        Series("of the target", names, asked, "predicted", hue=5),
        Series(f"of the samples of {name}", names, found),
    ]
    title = "Weight of the lightest mode"
    return Chart(title, "target", "weight", series, log_y=True, legend_below=True)


def _moment_findings(name: str, sampler: AffineSampler) -> list[Finding]:
    """Order and limit of the mean and the variance, propagated exactly.

    They start from those of the data at the first level, but with the mean moved by 1, which the
    sampler draws back; the variance must arrive at that of the data at the last level.
    """

    refine = REFINEMENTS.get(name, _finer_grid)
    means, variances = [], []
    for num_steps in NUM_STEPS:
        refined, levels = refine(sampler, num_steps)
        start = EXAMPLE.variance + levels[0] ** 2
        mean, variance = propagate(refined, levels, EXAMPLE.estimate, EXAMPLE.mean + 1, start)
        means.append(mean)
        variances.append(variance)
    orders = {"mean": MEAN_ORDERS.get(name, sampler.order), "variance": sampler.order}
    findings = []
    for what, found in (("mean", means), ("variance", variances)):
        change = [float((fine - coarse).abs().max()) for coarse, fine in pairwise(found)]
        if change[-1] > VISIBLE:  # the mean of DDPM is exact at any step
            order = observed_order(change)
            low, high = orders[what] - ORDER_WINDOW, orders[what] + ORDER_WINDOW
            findings.append(Finding(name, f"weak order of the {what}", order, low, high))
    last = EXAMPLE.variance + refine(sampler, NUM_STEPS[-1])[1][-1] ** 2
    gain = 2.0**sampler.order
    limit = (gain * variances[-1] - variances[-2]) / (gain - 1)  # Richardson's extrapolation
    off = float((limit / last - 1).abs().max())
    findings.append(
        Finding(name, "error of the variance in the limit of small steps", off, high=1e-3)
    )
    return findings


def _point_findings(name: str, sampler: AffineSampler) -> list[Finding]:
    """Data of one point, x0 = mean whatever y: at level s' what is left is noise, N(mean, s'²).

    Every solver of the flow or of the reverse diffusion is exact here, at any number of steps.
    """
    point = DiagonalGaussian(EXAMPLE.mean, torch.zeros_like(EXAMPLE.mean))
    levels = [20.0, 11.0, 5.0, 2.0, 0.7, 0.2]  # no step like another
    start = torch.full_like(point.mean, levels[0] ** 2)
    mean, variance = propagate(sampler, levels, point.estimate, point.mean, start)
    known = ON_A_POINT[name](sampler, levels) if name in ON_A_POINT else levels[-1] ** 2
    errors = {"mean": mean - point.mean, "noise": (variance / known).sqrt() - 1}
    return [
        Finding(name, f"error of the {what} on data of one point", float(e.abs().max()), high=1e-12)
        for what, e in errors.items()
    ]


def _last_step_finding(name: str, sampler: AffineSampler) -> Finding:
    """The step to noise level 0 must give the newest estimate, whatever was estimated before."""
    last = sampler.updates([20.0, 5.0, 2.0, 0.7, 0.0])[-1]
    generator = torch.Generator().manual_seed(0)
    y = torch.randn(5, dtype=torch.float64, generator=generator)
    estimates = torch.randn(len(last.weights), 5, dtype=torch.float64, generator=generator)
    history = estimates.clone()
    if sampler.uses_residuals:
        history[0] = y - estimates[0]
    weights = torch.tensor(last.weights, dtype=torch.float64)
    end = last.keep * y + (weights.unsqueeze(1) * history).sum(0)
    error = float((end - estimates[0]).abs().max()) + last.noise
    return Finding(name, "error of the last step, the newest estimate itself", error, high=1e-12)


def _batch_finding(name: str, sampler: Sampler) -> Finding:
    """Sample 3 alone, against sample 3 in the company of others."""
    process = PROCESSES["vp_cosine"]()
    denoiser, shape = EXAMPLE.denoiser(process), EXAMPLE.mean.shape

    def draw(indices: list[int]) -> Tensor:
        return sample(
            denoiser, shape, indices=indices, sampler=sampler, num_steps=20, dtype=torch.float64
        )

    together, alone = draw([5, 3, 8, 0]), draw([3])
    difference = float((together[1] - alone[0]).abs().max())
    return Finding(name, "effect of the other rows of the batch", difference, high=1e-12)
