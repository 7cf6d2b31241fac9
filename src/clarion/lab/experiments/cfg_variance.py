"""What classifier-free guidance samples: another distribution with each sampler."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.condition import Condition, ConditionSpec, VectorEntry, encode_condition
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide.contrast.cfg import CFG
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.fit import log_log_slope
from clarion.process import VPCosine
from clarion.process.gaussian import GaussianProcess
from clarion.sample import SAMPLERS
from clarion.sample.sampler import AffineSampler
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import AffineEstimate, log_uniform_levels, propagate

NOISY, CLEAN = 1e3, 1e-3
"""First noise level, and the last one before 0: what lies beyond is worth 1e-6 of a variance."""

CENTRE = "centre"
"""The name of the condition."""


class CentredDenoiser(Denoiser):
    """Exact denoiser of x0 ~ N(c, 1), itself c ~ N(0, 1); without its condition c, of N(0, 2)."""

    def __init__(self, process: GaussianProcess) -> None:
        super().__init__(process)
        self.about_centre = GaussianDenoiser(process, [0.0], [[1.0]])
        self.of_all = GaussianDenoiser(process, [0.0], [[2.0]])

    @property
    def condition_spec(self) -> ConditionSpec:
        """What the estimate may be conditioned on."""
        return {CENTRE: VectorEntry(1)}

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        absent = self.of_all(x_t, t).mean
        if condition is None:
            return Estimate(absent)
        c = condition.values[CENTRE].to(x_t)
        given = c + self.about_centre(x_t - self.process.alpha(t)[:, None] * c, t).mean
        return Estimate(torch.where(condition.present[CENTRE][:, None], given, absent))


def read_affine(denoiser: Denoiser, condition: Condition) -> AffineEstimate:
    """Read gain and offset off a denoiser of one number, known to be affine in it.

    Args:
        denoiser: with its guidance round it.
        condition: of two samples, both the same.
    """

    @cache
    def estimate(level: float) -> tuple[Tensor, Tensor]:
        t = denoiser.process.time_of_noise_level(torch.tensor(level, dtype=torch.float64))
        y = torch.tensor([[0.0], [1.0]], dtype=torch.float64)
        offset, end = denoiser(denoiser.process.alpha(t) * y, t.expand(2), condition).mean
        return end - offset, offset

    return estimate


def flow_variance(scale: float) -> float:
    """Variance that the guided probability flow gives."""
    return 2 ** (1 - scale)


def sde_variance(scale: float) -> float:
    """Variance that the guided reverse SDE gives."""
    rate = 2 * scale - 1
    return 2 * math.log(2) if rate == 0 else (2 - 2 ** (1 - rate)) / rate


def tilted_variance(scale: float) -> float:
    """Variance of p(x | c)^s p(x)^(1 - s), made to add up to one."""
    return 2 / (1 + scale)


@dataclass(frozen=True)
class CFGVariance(Experiment):
    """Data x0 ~ N(c, 1) with c ~ N(0, 1), so that all together are N(0, 2); c = 0 is asked for.

    With noise of variance v on y = x_t / alpha, the guided score is
    -s y / (1 + v) + (s - 1) y / (2 + v). The flow dy/dv = -score / 2 and the reverse SDE, which has
    twice that drift and noise of variance dv besides, are linear, and from v = infinity to v = 0

        flow (DDIM):  Var = 2^(1 - s),
        SDE (DDPM):   Var = integral from 1 to 2 of 2^(2 - 2 s) u^(2 s - 2) du
                          = (2 - 2^(2 - 2 s)) / (2 s - 1),   u = (2 + v) / (1 + v).

    It is often said that guidance samples p(x | c)^s p(x)^(1 - s), up to a factor: here that is
    N(0, 2 / (1 + s)).

    The estimate is what `CFG` makes of an exact denoiser; the variance is carried through the
    samplers' own coefficients without a random number. The process does not matter, since samplers
    are written for y.

    Args:
        samplers: one for the flow first, one for the SDE last.
        scales: guidance scales; 1 is the plain conditional model.
        num_steps: between the two noise levels, each twice the one before, so that the limit can
            be extrapolated.
    """

    title: ClassVar[str] = "What guidance samples"
    prediction: ClassVar[str] = (
        "At guidance scale s the flow (DDIM) gives the variance 2^(1-s), the reverse SDE (DDPM) "
        "(2 - 2^(2-2s)) / (2s-1), and neither that of the tilted density, 2 / (1+s)."
    )
    source: ClassVar[str] = "Bradley & Nakkiran 2024, arXiv 2408.09000, section 3."
    reading: ClassVar[str] = (
        "At scale 1 all agree, and from there on DDIM narrows the samples most, DDPM less, and the "
        "tilted density, which guidance is often said to sample, least. No number of steps closes "
        "these gaps: a guidance scale means something only together with the sampler it was tuned "
        "for."
    )

    samplers: tuple[str, ...] = ("ddim", "dpmpp_2m", "ddpm")
    scales: tuple[float, ...] = (0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
    num_steps: tuple[int, ...] = (128, 256, 512)

    def run(self) -> Outcome:
        denoiser = CentredDenoiser(VPCosine(log_snr_min=-14, log_snr_max=14))
        condition = encode_condition(denoiser.condition_spec, {CENTRE: [0.0]}, 2)
        estimates = [read_affine(CFG(s)(denoiser), condition) for s in self.scales]
        findings: list[Finding] = []
        series: list[Series] = []
        limits: dict[str, np.ndarray] = {}
        for hue, name in enumerate(self.samplers):
            sampler = SAMPLERS[name]()
            assert isinstance(sampler, AffineSampler), f"{name} has no coefficients"
            closed_form = sde_variance if sampler.is_stochastic else flow_variance
            predicted = np.array([closed_form(s) for s in self.scales])
            # (scales, num_steps)
            measured = np.array(
                [[_variance(sampler, e, n) for n in self.num_steps] for e in estimates]
            )
            limits[name] = _limit(measured, sampler.order)
            findings += [
                self._nearness(name, limits[name] / predicted - 1),
                self._worst_slope(name, sampler.order, abs(measured - predicted[:, None])),
            ]
            label = f"{name}, {self.num_steps[-1]} steps"
            series.append(Series(label, self.scales, measured[:, -1].tolist(), hue=hue))
        series += [
            self._line("flow: 2^(1-s)", flow_variance, 0),
            self._line("SDE: (2 - 2^(2-2s)) / (2s-1)", sde_variance, 2),
            self._line("tilted density: 2 / (1+s)", tilted_variance, 5),
        ]
        findings += self._order(limits)
        chart = Chart(self.title, "guidance scale s", "variance of the samples", series, log_y=True)
        return Outcome(findings, chart)

    def _nearness(self, name: str, errors: np.ndarray) -> Finding:
        return Finding(
            name,
            "error of the variance in the limit of many steps, at the worst scale",
            float(abs(errors).max()),
            # Extrapolation leaves terms of h^3 and above, h the step in the log noise level.
            high=10 * (math.log(NOISY / CLEAN) / self.num_steps[-1]) ** 3,
            setting=f"scales {self.scales[0]:g} to {self.scales[-1]:g}",
            unit="of the closed form",
        )

    def _worst_slope(self, name: str, order: int, errors: np.ndarray) -> Finding:
        slopes = [log_log_slope(self.num_steps, row.tolist()) for row in errors]
        return Finding(
            name,
            "slope of the error of the variance over the steps, at the worst scale",
            max(slopes, key=lambda slope: abs(slope + order)),
            -order - 0.15,
            -order + 0.15,
            setting=f"{self.num_steps[0]} to {self.num_steps[-1]} steps",
        )

    def _order(self, limits: dict[str, np.ndarray]) -> list[Finding]:
        """Above scale 1: flow below SDE below tilted density."""
        is_guided = np.array(self.scales) > 1
        tilted = np.array([tilted_variance(s) for s in self.scales])
        flow, sde = limits[self.samplers[0]], limits[self.samplers[-1]]
        return [
            Finding(
                f"{above} above {below}",
                "least ratio of the variances at scales above 1",
                float((high / low)[is_guided].min()),
                low=1.0,
            )
            for above, high, below, low in (
                (self.samplers[-1], sde, self.samplers[0], flow),
                ("tilted density", tilted, self.samplers[-1], sde),
            )
        ]

    def _line(self, label: str, variance: Callable[[float], float], hue: int) -> Series:
        scales = np.linspace(self.scales[0], self.scales[-1], 65).tolist()
        return Series(label, scales, [variance(s) for s in scales], "predicted", hue)


def _variance(sampler: AffineSampler, estimate: AffineEstimate, num_steps: int) -> float:
    levels = [*log_uniform_levels(NOISY, CLEAN, num_steps), 0.0]
    start = torch.tensor([NOISY**2], dtype=torch.float64)
    return float(propagate(sampler, levels, estimate, torch.zeros_like(start), start)[1])


def _limit(values: np.ndarray, order: int) -> np.ndarray:
    """Values (..., num_steps) at N, 2 N, 4 N, ... steps, extrapolated to infinitely many.

    Richardson's method, for an error in powers of 1 / N from N^-order on.
    """
    for power in range(order, order + values.shape[-1] - 1):
        coarse, fine = values[..., :-1], values[..., 1:]
        values = fine + (fine - coarse) / (2**power - 1)
    return values[..., 0]
