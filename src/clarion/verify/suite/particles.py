"""Particles: the law of their samples, p(x) exp(scale r(x)), where that is a closed form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise import Denoiser
from clarion.guide.gradient.reward import Reward
from clarion.guide.gradient.reward_function import RewardFunction
from clarion.process import PROCESSES
from clarion.sample import AffineSampler, ParticleSampler, Sampler, sample
from clarion.sample.ancestral import DDPMSampler
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import EXAMPLE, log_uniform_levels, propagate
from clarion.verify.report import Report
from clarion.verify.scores import judge
from clarion.verify.suite.evidence import ROUNDING
from clarion.verify.targets import TARGETS, Target

NUM_SAMPLES = 1024
NUM_PARTICLES = 64

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


def moved(target: Target, scale: float) -> Target:
    """A normal target tilted by exp(scale AXIS . x): N(m + scale S AXIS, S)."""
    return replace(target, means=target.means + scale * target.covariances[0] @ AXIS)


def narrowed(target: Target, scale: float) -> Target:
    """A normal target times exp(-scale |x - POINT|² / 2), by the precisions."""
    inverse = target.covariances[0].inverse()
    covariance = (inverse + scale * torch.eye(target.dim, dtype=torch.float64)).inverse()
    mean = covariance @ (inverse @ target.means[0] + scale * POINT)
    return replace(target, means=mean[None], covariances=covariance[None])


@dataclass(frozen=True, eq=False)
class KnownLaw:
    """A reward, and what its samples must be.

    Args:
        setting: in words.
        denoiser: the model, without any steering.
        sampler: moves the particles.
        num_steps: of it.
        fn: the reward.
        scale: of it.
        law: the target of the samples.
        steering: scale at which the reward also steers; 0 for not at all.
    """

    setting: str
    denoiser: Denoiser
    sampler: AffineSampler
    num_steps: int
    fn: RewardFunction
    scale: float
    law: Target
    steering: float = 0.0


def known_laws() -> list[KnownLaw]:
    """Normal samples of few steps, whose own law is exact."""
    process = PROCESSES["vp_cosine"]()
    few = DDPMSampler(), 12
    levels = _levels(few[1])
    start = torch.full_like(EXAMPLE.mean, levels[0] ** 2)
    mean, variance = propagate(
        DDPMSampler(), levels, EXAMPLE.estimate, torch.zeros_like(start), start
    )
    one = torch.ones(1, dtype=torch.float64)
    alone = Target("normal", "what DDPM makes of it", one, mean[None], torch.diag(variance)[None])
    normal = EXAMPLE.denoiser(process)
    return [
        KnownLaw("linear reward", normal, *few, along, 1.0, moved(alone, 1.0)),
        KnownLaw("quadratic reward", normal, *few, near_point, 0.5, narrowed(alone, 0.5)),
        KnownLaw("reward that also steers", normal, *few, along, 2.0, moved(alone, 2.0), 2.0),
        KnownLaw("reward that steers too far", normal, *few, along, 1.0, moved(alone, 1.0), 1.5),
    ]


def examine_particles(name: str, cls: type[ParticleSampler]) -> Report:
    """Hold the particles' samples against tilted laws, and one particle against none."""
    findings = [_batch_finding(name, cls), _single_finding(name, cls)]
    for known in known_laws():
        denoiser = known.denoiser
        if known.steering:
            denoiser = Reward(known.fn, known.steering)(denoiser)
        sampler = cls(known.fn, known.scale, NUM_PARTICLES, sampler=known.sampler)
        x = _draw(denoiser, sampler, range(NUM_SAMPLES), known.law.dim, known.num_steps)
        findings += judge(name, x, known.law, f"{known.setting}, {known.num_steps} steps")
    return Report(f"sampler {name}", findings)


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
    return _draw(EXAMPLE.denoiser(PROCESSES["vp_cosine"]()), sampler, indices, 4, 12)


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
