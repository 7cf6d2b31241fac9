"""Particles: the law of their samples, p(x) exp(scale r(x)), where that is a closed form."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise import Denoiser
from clarion.guide.gradient.reward import Reward
from clarion.guide.gradient.reward_function import RewardFunction
from clarion.process import PROCESSES
from clarion.sample import ParticleSampler, Sampler, sample
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.dpmpp_sde import DPMpp2MSDESampler
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import EXAMPLE, log_uniform_levels, propagate
from clarion.verify.report import Report
from clarion.verify.scores import judge
from clarion.verify.suite.evidence import NUM_SAMPLES, ROUNDING
from clarion.verify.targets import TARGETS

NUM_PARTICLES = 64
NUM_STEPS = 12

DEVIATIONS_ALLOWED = 4.5
"""Standard errors: one normal number in 150,000 lies beyond."""

AXIS = torch.tensor([0.4, -0.3, 0.5, 0.2], dtype=torch.float64)
POINT = torch.tensor([1.0, 0.0, -1.0, 0.5], dtype=torch.float64)


def along(x0: Tensor, condition: Condition | None) -> Tensor:
    """AXIS . x0"""
    return x0 @ AXIS


def near_point(x0: Tensor, condition: Condition | None) -> Tensor:
    """-|x0 - POINT|² / 2, the log-likelihood of a measurement of x0 with noise of variance 1."""
    return -(x0 - POINT).square().sum(1) / 2


def log_class_0(x0: Tensor, condition: Condition | None) -> Tensor:
    """log p(class 0 | x0) of the target `classes`."""
    target = TARGETS["classes"]
    is_asked = torch.tensor([label == 0 for label in target.labels or ()])
    return target.responsibilities(x0)[:, is_asked].sum(1).log()


@dataclass(frozen=True, eq=False)
class Normal:
    """N(mean, covariance), of (dim,) and (dim, dim)."""

    mean: Tensor
    covariance: Tensor

    def moved(self, scale: float) -> Normal:
        """Times exp(scale AXIS . x), up to its constant."""
        return Normal(self.mean + scale * self.covariance @ AXIS, self.covariance)

    def narrowed(self, scale: float) -> Normal:
        """Times exp(-scale |x - POINT|² / 2), up to its constant."""
        inverse = self.covariance.inverse()
        covariance = (inverse + scale * torch.eye(len(self.mean), dtype=torch.float64)).inverse()
        return Normal(covariance @ (inverse @ self.mean + scale * POINT), covariance)


@dataclass(frozen=True, eq=False)
class KnownLaw:
    """A reward of normal data, and what its samples must be.

    Args:
        setting: in words.
        fn: the reward.
        scale: of it.
        law: of the samples.
        steering: scale at which the reward also steers; 0 for not at all.
    """

    setting: str
    fn: RewardFunction
    scale: float
    law: Normal
    steering: float = 0.0


def known_laws() -> list[KnownLaw]:
    """By what DDPM makes of the data in few steps: a normal law, known exactly, of its own."""
    levels = _levels(NUM_STEPS)
    start = torch.full_like(EXAMPLE.mean, levels[0] ** 2)
    mean, variance = propagate(
        DDPMSampler(), levels, EXAMPLE.estimate, torch.zeros_like(start), start
    )
    alone = Normal(mean, torch.diag(variance))
    return [
        KnownLaw("linear reward", along, 0.7, alone.moved(0.7)),
        KnownLaw("quadratic reward", near_point, 0.5, alone.narrowed(0.5)),
        KnownLaw("reward that also steers", along, 2.0, alone.moved(2.0), 2.0),
        KnownLaw("reward that steers too far", along, 1.0, alone.moved(1.0), 1.5),
    ]


def examine_particles(name: str, cls: type[ParticleSampler]) -> Report:
    """Hold the particles' samples against tilted laws, and one particle against none."""
    findings = [_batch_finding(name, cls), _single_finding(name, cls)]
    for known in known_laws():
        findings += _moment_findings(name, cls, known)
    # Weighed alone: of this reward the estimate halfway between two modes says little, so that
    # resampling by it has a bias that falls slowly with the number of particles.
    sampler = cls(log_class_0, 1.0, NUM_PARTICLES, sampler=DPMpp2MSDESampler(), ess_threshold=0.0)
    source = TARGETS["classes"]
    denoiser = source.denoiser(PROCESSES["vp_cosine"]())
    x = _draw(denoiser, sampler, range(NUM_SAMPLES // 2), source.dim, 48)
    findings += judge(name, x, TARGETS["class_0"], "log p(class 0 | x0), 48 steps")
    return Report(f"sampler {name}", findings)


def _moment_findings(name: str, cls: type[ParticleSampler], known: KnownLaw) -> list[Finding]:
    denoiser: Denoiser = EXAMPLE.denoiser(PROCESSES["vp_cosine"]())
    if known.steering:
        denoiser = Reward(known.fn, known.steering)(denoiser)
    sampler = cls(known.fn, known.scale, NUM_PARTICLES, ess_threshold=1.0)  # at each step
    n = NUM_SAMPLES // 2
    x = _draw(denoiser, sampler, range(n), len(EXAMPLE.mean), NUM_STEPS)
    root = torch.linalg.cholesky(known.law.covariance)
    z = torch.linalg.solve_triangular(root, (x - known.law.mean).T, upper=False)
    errors = {
        "mean": z.mean(1) * math.sqrt(n),
        "variance": (z.square().mean(1) - 1) * math.sqrt(n / 2),
    }
    setting = f"{known.setting}, {NUM_STEPS} steps, {NUM_PARTICLES} particles"
    return [
        Finding(
            name,
            f"error of the {what}",
            float(error.abs().max()),
            high=DEVIATIONS_ALLOWED,
            setting=setting,
            unit="standard errors",
        )
        for what, error in errors.items()
    ]


def _batch_finding(name: str, cls: type[ParticleSampler]) -> Finding:
    """Sample 3 alone, against sample 3 in the company of others."""
    together, alone = _few(cls(along, 1.0, 8), [5, 3, 8, 0]), _few(cls(along, 1.0, 8), [3])
    difference = float((together[1] - alone[0]).abs().max())
    return Finding(name, "effect of the other rows of the batch", difference, high=ROUNDING)


def _single_finding(name: str, cls: type[ParticleSampler]) -> Finding:
    """One particle has nothing to be chosen from."""
    difference = _few(cls(along, 1.0, 1), [0, 1, 2]) - _few(DDPMSampler(), [0, 1, 2])
    error = float(difference.abs().max())
    return Finding(name, "difference of one particle from its sampler alone", error, high=ROUNDING)


def _few(sampler: Sampler, indices: list[int]) -> Tensor:
    return _draw(EXAMPLE.denoiser(PROCESSES["vp_cosine"]()), sampler, indices, 4, NUM_STEPS)


def _levels(num_steps: int) -> list[float]:
    return [*log_uniform_levels(40.0, 0.05, num_steps - 1), 0.0]


def _draw(
    denoiser: Denoiser, sampler: Sampler, indices: Sequence[int], dim: int, num_steps: int
) -> Tensor:
    levels = torch.tensor(_levels(num_steps)[:-1], dtype=torch.float64)
    times = denoiser.process.time_of_noise_level(levels)
    return sample(
        denoiser,
        (dim,),
        indices=indices,
        sampler=sampler,
        times=torch.cat([times, times.new_zeros(1)]),
        seed=1,
        dtype=torch.float64,
    )
