"""A doctor for the schedulers of diffusers, driven as its pipelines drive them.

    scheduler.set_timesteps(num_steps)
    x = noise * scheduler.init_noise_sigma
    for t in scheduler.timesteps:
        x = scheduler.step(network(scheduler.scale_model_input(x, t), t), t, x).prev_sample

The network is a perfect one (`scheduler_network.py`). Nothing of diffusers is imported.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from itertools import pairwise
from typing import Any

from clarion.base.chart import Chart
from clarion.base.options import check_whole
from clarion.verify.doctor import properties
from clarion.verify.doctor.order import order_findings
from clarion.verify.doctor.properties import NUM_ROWS, Subject, gaussian, normal
from clarion.verify.doctor.samplers import (
    END,
    FLOW_LIMIT,
    OFF,
    START,
    TEXT,
    chosen_targets,
    floor_charts,
)
from clarion.verify.doctor.scheduler_driver import Driver
from clarion.verify.doctor.scheduler_network import network_of, option
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import EXAMPLE
from clarion.verify.report import Report
from clarion.verify.targets import Target

EXACT = 2e-6
"""An error of the flow in which float32 shows no order any more."""

STEPS_OF_ORDER = (50, 100, 250)
"""Divisors of the usual 1000 timesteps, so that rounding them to whole numbers changes little."""

SAME_LEVEL = 1e-4
"""Relative difference of two noise levels that differ by the rounding of float32 alone."""

START_SHARE = 0.05
TOLD = "length of a step, off from that to the next timestep"


def check_scheduler(
    scheduler: Any,
    *,
    name: str | None = None,
    order: int | None = None,
    targets: Iterable[str | Target] | None = None,
    num_steps: int = 250,
    num_samples: int = 2000,
    step_options: Mapping[str, Any] | None = None,
) -> Report:
    """Examine a scheduler of diffusers on data for which the answer is known.

    Args:
        scheduler: as it is, with its configuration. Its state is used as a pipeline would.
        name: what to call it; by default its class.
        order: the order it claims; by default `solver_order` of its configuration, if it has one.
        targets: distributions to sample, or their names; by default all without classes.
        num_steps: steps with which it samples; so many that a method of first order reaches the
            noise floor.
        num_samples: samples of each target.
        step_options: further arguments of its `step`, such as {"eta": 1.0}.

    Returns:
        The findings. Whatever goes wrong inside the scheduler is one of them.

    Raises:
        ClarionError: if it cannot be driven, or for arguments that cannot be used.
    """
    check_whole("num_steps", num_steps, 2)
    check_whole("num_samples", num_samples, 2)
    chosen = chosen_targets(targets)
    title = name or type(scheduler).__name__
    driver = Driver(scheduler, network_of(scheduler), title, dict(step_options or {}))
    if order is None:
        order = option(scheduler, "solver_order")
    driver.check_direction(num_steps)

    where = f"{num_steps} steps"
    findings = properties.attempt(driver.name, "a run", lambda: _run(driver, num_steps), where)
    if any(math.isnan(finding.measured) for finding in findings):
        return Report(driver.name, findings, text=TEXT)
    subject = driver.subject(num_steps)
    found, is_stochastic, _ = properties.of_every_method(subject)
    findings += found
    charts: list[Chart] = []
    if not is_stochastic:
        findings += properties.of_flows(subject, FLOW_LIMIT)
        findings += properties.attempt(
            driver.name, TOLD, lambda: _told(driver, subject, num_steps), where
        )
        between = f"from the start to noise level {END:g}"
        orders, charts = order_findings(driver.name, lambda: _errors(driver), order, EXACT, between)
        findings += orders
    findings += properties.samples(subject, chosen, num_samples)
    return Report(driver.name, findings, [*charts, *floor_charts(driver.name, findings)], TEXT)


def _run(driver: Driver, num_steps: int) -> list[Finding]:
    """One run: what it asks its network, and what it does to what it is given."""
    subject = driver.subject(num_steps)
    x = subject.start(normal(NUM_ROWS, len(EXAMPLE.mean))).float()
    trajectory = driver.run(gaussian, x, num_steps)
    where = subject.setting
    changed = " and ".join(sorted(trajectory.changed))
    in_place = f"step changes its {changed} in place" if changed else ""
    num_calls = len(trajectory.calls)
    name, start = driver.name, "share of the data in the start, which is drawn from noise alone"
    share = subject.alpha / math.hypot(subject.alpha, subject.sigma)
    count = float(len(trajectory.changed))
    findings = [
        Finding(name, "inputs changed in place", count, 0, 0, where, problem=in_place),
        Finding(name, "evaluations a step", num_calls / num_steps, setting=where),
        Finding(name, start, share, high=START_SHARE, setting=where),
    ]
    told = [call.level for call in trajectory.calls]
    held = [driver.level_held(number, call) for number, call in enumerate(trajectory.calls)]
    off = _steps_off(told, held)
    if off is not None:
        what = "noise level of the timestep, off from that of the scheduler's own"
        findings.append(Finding(driver.name, what, off, high=OFF, setting=where, unit="steps"))
    return findings


def _steps_off(told: list[float], held: list[float | None]) -> float | None:
    """Largest distance of two lists of noise levels, in steps of the second; None if unknown."""
    worst = None
    for number, (a, b) in enumerate(zip(told, held, strict=True)):
        if b is None or not (math.isfinite(a) and math.isfinite(b)):
            continue
        others = [c for c in held[number + 1 :] if c is not None and 0 < c < b * (1 - SAME_LEVEL)]
        if others:
            off = abs(math.log(a / b)) / math.log(b / others[0])
            worst = off if worst is None else max(worst, off)
    return worst


def _told(driver: Driver, subject: Subject, num_steps: int) -> list[Finding]:
    """Whether each step ends at the noise level that the next timestep stands for.

    On Gaussian data the exact flow takes the state of one timestep to one point at the next. How
    far the state lies from there, along the flow, is what the step is too short or too long. Steps
    near the ends are left out: they are long in log noise level, and their own error is larger.
    """
    x = subject.start(normal(NUM_ROWS, len(EXAMPLE.mean)))
    worst = 0.0
    for before, call in pairwise(driver.run(gaussian, x, num_steps).calls):
        if START > before.level > call.level * (1 + SAME_LEVEL) > END:
            start = before.state.double() / before.alpha
            end = EXAMPLE.flow(start, before.level, call.level)
            off = ((call.state.double() / call.alpha - end) * (start - end)).sum()
            worst = max(worst, abs(float(off / (start - end).square().sum())))
    where = f"{num_steps} steps, between noise levels {START:g} and {END:g}"
    return [Finding(driver.name, TOLD, worst, high=OFF, setting=where, unit="of a step")]


def _errors(driver: Driver) -> dict[str, dict[int, float]]:
    """Largest error of the flow of Gaussian data, in its units, from the start to END."""
    errors = {}
    stride = getattr(driver.scheduler, "order", 1)
    if hasattr(driver.scheduler, "order_list"):  # steps of several stages, each asked once
        stride *= option(driver.scheduler, "solver_order")
    for num_steps in STEPS_OF_ORDER:
        subject = driver.subject(num_steps)
        levels = driver.levels(num_steps)
        last = min(range(0, len(levels), stride), key=lambda n: abs(levels[n] - END))
        x = subject.start(normal(NUM_ROWS, len(EXAMPLE.mean)))
        call = driver.run(gaussian, x, num_steps, last).calls[-1]
        expected = properties.flow_of_example(
            x, subject.alpha, subject.sigma, call.alpha, call.sigma
        )
        errors[num_steps] = float((call.state.double() - expected).abs().max()) / call.alpha
    return {"its own steps": errors}
