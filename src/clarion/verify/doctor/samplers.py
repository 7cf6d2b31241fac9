"""A doctor for samplers that others wrote: `fn(denoiser, x, sigmas) -> x`.

That is the calling form of k-diffusion: x = x0 + sigmas[0] * noise, `denoiser(x, sigma)` answers
E[x0 | x] for sigma (batch,), and `sigmas` falls, usually to 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import partial

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.errors import ClarionError
from clarion.base.options import check_whole
from clarion.process.grids import Karras
from clarion.verify.doctor import properties
from clarion.verify.doctor.foreign import check_callable, finite_tensor, name_of, names_of
from clarion.verify.doctor.order import fine_start_levels, order_findings, uneven_levels
from clarion.verify.doctor.properties import NUM_ROWS, attempt, difference, gaussian, normal
from clarion.verify.doctor.sampler_probe import ProbeDenoiser, SamplerFunction, SamplerProbe
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import EXAMPLE, log_uniform_levels
from clarion.verify.report import Report
from clarion.verify.scores import SCORES
from clarion.verify.targets import TARGETS, Target

SIGMA_MAX, SIGMA_MIN = 80.0, 0.002
"""Noise levels of the grid on which data are sampled; Karras et al. 2022, table 1."""

START, END = 2.0, 0.5
"""Noise levels between which the order is measured; the final step to 0 has none."""

STEPS_OF_ORDER = (16, 32, 64, 128)
EXACT = 1e-12
"""An error of the flow in which float64 shows no order any more."""

FEW_STEPS = 16
UNIT = 64.0
"""A power of two, so that another unit of the data leaves every digit as it was."""

FLOW_LIMIT = 0.05
OFF = 0.25
"""Steps by which a noise level may be off: a method of first order is off by far less."""

FIRST_CALLS = 3
"""Before the errors of the steps themselves have added up."""

TEXT = (
    "Every denoiser here is the exact E[x0 | x] of data whose distribution is known, so that what "
    "is wrong is wrong with the sampler."
)


def check_sampler(
    fn: SamplerFunction,
    *,
    name: str | None = None,
    order: int | None = None,
    targets: Iterable[str | Target] | None = None,
    num_steps: int = 256,
    num_samples: int = 2000,
    num_axes: int = 1,
) -> Report:
    """Examine a sampler on data for which the answer is known.

    Args:
        fn: `fn(denoiser, x, sigmas) -> x`. Further arguments are fixed with `functools.partial`.
        name: what to call it; by default its own name.
        order: the order it claims; None to have it found, and then one that was lost is not seen
            to be missing. More than claimed is no fault.
        targets: distributions to sample, or their names; by default all without classes.
        num_steps: steps with which it samples, on the grid of Karras et al. 2022, arXiv 2206.00364;
            so many that a sampler of first order reaches the noise floor.
        num_samples: samples of each target.
        num_axes: axes of one sample: 1 for x (batch, dim), 3 for x (batch, dim, 1, 1).

    Returns:
        The findings. Whatever goes wrong inside `fn` is one of them; nothing is raised for it.

    Raises:
        ClarionError: for arguments that cannot be used.

    Example:
        >>> def euler(denoiser, x, sigmas):
        ...     for sigma, next_sigma in zip(sigmas, sigmas[1:]):
        ...         slope = (x - denoiser(x, sigma.expand(len(x)))) / sigma
        ...         x = x + (next_sigma - sigma) * slope
        ...     return x
        >>> check_sampler(euler, order=1, targets=["two_modes"]).passed
        True
    """
    check_callable(fn, "fn(denoiser, x, sigmas) -> x")
    check_whole("num_steps", num_steps, 2)
    check_whole("num_samples", num_samples, 2)
    check_whole("num_axes", num_axes, 1)
    if order is not None:
        check_whole("order", order, 1)
    chosen = chosen_targets(targets)
    probe = SamplerProbe(fn, name or name_of(fn), num_axes)
    sigmas = karras_sigmas(num_steps)
    subject = probe.subject(sigmas, f"{num_steps} steps to 0")

    findings = _contract(probe)
    if any(math.isnan(finding.measured) for finding in findings):
        return Report(probe.name, findings, text=TEXT)
    found, is_stochastic, repeats = properties.of_every_method(subject)
    findings += found
    charts: list[Chart] = []
    if repeats:
        findings += attempt(probe.name, "unit of the data", partial(_unit, probe, sigmas))
    if not is_stochastic:
        findings += properties.of_flows(subject, FLOW_LIMIT)
        findings += attempt(probe.name, "noise level told", partial(_told, probe))
        between = f"between noise levels {START:g} and {END:g}"
        orders, charts = order_findings(probe.name, partial(_errors, probe), order, EXACT, between)
        findings += orders
    findings += properties.samples(subject, chosen, num_samples)
    return Report(probe.name, findings, [*charts, *floor_charts(probe.name, findings)], TEXT)


def chosen_targets(targets: Iterable[str | Target] | None) -> list[Target]:
    """Targets by themselves or by name; by default all but those of one class.

    Raises:
        ClarionError: for a name that no target has, or the target of one class.
    """
    if targets is None:
        return [target for target in TARGETS.values() if target.asked is None]
    if isinstance(targets, str):
        names_of("targets", targets)
    chosen = [t if isinstance(t, Target) else TARGETS[t] for t in targets]
    for target in chosen:
        if target.asked is not None:
            raise ClarionError(
                f"{target.name} is p(x | class), and a sampler is given no condition; "
                f"take 'classes'."
            )
    return chosen


def karras_sigmas(num_steps: int) -> Tensor:
    """Noise levels (num_steps + 1,) from SIGMA_MAX over SIGMA_MIN to 0, in float64."""
    levels = Karras().levels(SIGMA_MAX, SIGMA_MIN, num_steps)
    return torch.cat([levels, levels.new_zeros(1)])


def floor_charts(name: str, findings: Iterable[Finding]) -> list[Chart]:
    """For each target, the score that is farthest beyond its limit; none without samples."""
    worst: dict[str, Finding] = {}
    for finding in findings:
        if finding.what in SCORES and not finding.problem:
            target = finding.setting.split(",")[0]
            before = worst.setdefault(target, finding)
            if finding.measured / finding.high > before.measured / before.high:
                worst[target] = finding
    if not worst:
        return []
    scores = Series("worst score", list(worst), [f.measured for f in worst.values()])
    limits = Series("its limit", list(worst), [f.high for f in worst.values()], "bound", 1)
    title = f"{name}: samples of known distributions"
    return [Chart(title, "target", "times the noise floor", [scores, limits])]


def _contract(probe: SamplerProbe) -> list[Finding]:
    """What it returns, does to its inputs and asks, in both types of numbers."""
    findings = []
    for dtype in (torch.float32, torch.float64):
        setting = f"{FEW_STEPS} steps, {str(dtype).removeprefix('torch.')}"
        measure = partial(_result, probe, dtype, setting)
        findings += attempt(probe.name, "result", measure, setting)
    return findings


def _result(probe: SamplerProbe, dtype: torch.dtype, setting: str) -> list[Finding]:
    denoiser = ProbeDenoiser(gaussian)
    x = (SIGMA_MAX * normal(NUM_ROWS, len(EXAMPLE.mean))).to(dtype)
    sigmas = karras_sigmas(FEW_STEPS).to(dtype)
    result, own_x, own_sigmas = probe.call(denoiser, x, sigmas)
    finite_tensor(result, probe.shaped(x).shape)
    pairs = (("x", own_x, probe.shaped(x)), ("sigmas", own_sigmas, sigmas))
    changed = [word for word, own, given in pairs if not torch.equal(own, given)]
    in_place = f"it changed {' and '.join(changed)} in place" if changed else ""
    other_type = "" if result.dtype == dtype else f"it returned {result.dtype} for {dtype}"
    findings = [
        Finding(probe.name, what, float(bool(problem)), 0, 0, setting, problem=problem)
        for what, problem in (
            ("inputs changed in place", in_place),
            ("results of another type than x", other_type),
        )
    ]
    if dtype == torch.float64:
        findings += _asked(probe.name, denoiser, sigmas, setting)
    return findings


def _asked(name: str, denoiser: ProbeDenoiser, sigmas: Tensor, setting: str) -> list[Finding]:
    """How often, and at which noise levels, it asked the denoiser."""
    evaluations = len(denoiser.asked) / FEW_STEPS
    what = "evaluations a step"
    if not evaluations:
        problem = "it never asked the denoiser"
        return [Finding(name, what, evaluations, setting=setting, problem=problem)]
    levels = torch.cat([level for _, level in denoiser.asked])
    lowest, highest = float(levels.min() / sigmas[-2]), float(levels.max() / sigmas[0])
    at_zero = "" if lowest else "it asks the denoiser at noise level 0, where there is no noise"
    least, most = "lowest noise level asked, over the last above 0", "highest, over the first"
    return [
        Finding(name, what, evaluations, setting=setting),
        Finding(name, least, lowest, setting=setting, problem=at_zero),
        Finding(name, most, highest, setting=setting),
    ]


def _unit(probe: SamplerProbe, sigmas: Tensor) -> list[Finding]:
    """Data, start and noise levels, all in another unit, must give the result in that unit."""
    x = SIGMA_MAX * normal(NUM_ROWS, len(EXAMPLE.mean))
    expected = probe.run(gaussian, x, sigmas)
    findings = []
    for factor in (1 / UNIT, UNIT):

        def scaled(x: Tensor, alpha: Tensor, sigma: Tensor, c: float = factor) -> Tensor:
            return c * gaussian(x / c, alpha, sigma / c)

        result = probe.run(scaled, factor * x, factor * sigmas) / factor
        what = "change of the result in another unit of the data (clipping, absolute constants)"
        setting = f"all numbers times {factor:g}"
        change = difference(result, expected)
        findings.append(
            Finding(probe.name, what, change, high=properties.INVARIANCE, setting=setting)
        )
    return findings


def _told(probe: SamplerProbe) -> list[Finding]:
    """Whether the denoiser is told the noise level that its input has, in steps of the grid.

    On Gaussian data the exact flow passes through one point at each noise level. How far the input
    lies from the one of the noise level told, along the flow, is what the sampler is off.
    """
    num_steps = min(STEPS_OF_ORDER)
    levels = log_uniform_levels(START, END, num_steps)
    x = START * normal(NUM_ROWS, len(EXAMPLE.mean))
    denoiser = ProbeDenoiser(gaussian)
    probe.call(denoiser, x, torch.tensor(levels, dtype=torch.float64))
    step = math.log(START / END) / num_steps
    worst = 0.0
    for asked, level in denoiser.asked[:FIRST_CALLS]:
        told = float(level[0])
        on_flow = EXAMPLE.flow(x, START, told)
        # d y / d log s = s² (y - mean) / (variance + s²)
        slope = told**2 * (on_flow - EXAMPLE.mean) / (EXAMPLE.variance + told**2)
        off = float(((asked - on_flow) * slope).sum() / (slope**2).sum()) / step
        worst = max(worst, abs(off))
    what = "noise level told to the denoiser, off from that of its input"
    setting = f"first {FIRST_CALLS} calls"
    return [Finding(probe.name, what, worst, high=OFF, setting=setting, unit="steps")]


def _errors(probe: SamplerProbe) -> dict[str, dict[int, float]]:
    """Kind of grid -> steps -> largest error of the flow of Gaussian data."""
    x = START * normal(NUM_ROWS, len(EXAMPLE.mean))
    expected = EXAMPLE.flow(x, START, END)
    errors: dict[str, dict[int, float]] = {}
    for num_steps in STEPS_OF_ORDER:
        even = log_uniform_levels(START, END, num_steps)
        grids = {
            "even steps": even,
            "even steps, fine start": fine_start_levels(even),
            "uneven steps, fine start": fine_start_levels(uneven_levels(even)),
        }
        for kind, levels in grids.items():
            result = probe.run(gaussian, x, torch.tensor(levels, dtype=torch.float64))
            error = float((result - expected).abs().max())
            errors.setdefault(kind, {})[num_steps] = error
    return errors
