"""How many particles were effective on the way: what `clarion sample` says of the weights."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from clarion.sample.particles import ParticleSampler
from clarion.sample.sampler import Sampler


@dataclass
class EffectiveParticles:
    """What a `ParticleSampler` reports, collected.

    Args:
        num_particles: of each sample.
        steps: of each batch and step, the effective number of each sample and whether it was
            resampled.
    """

    num_particles: int
    steps: list[tuple[Tensor, Tensor]] = field(default_factory=list)

    def __call__(self, t: float, effective: Tensor, resampled: Tensor) -> None:
        self.steps.append((effective, resampled))

    def summary(self, num_samples: int) -> dict[str, float]:
        """Least and mean of the effective numbers of all samples and steps, and resamplings."""
        effective, resampled = (torch.cat(parts) for parts in zip(*self.steps, strict=True))
        return {
            "num_particles": self.num_particles,
            "least_effective": float(effective.min()),
            "mean_effective": float(effective.mean()),
            "resamplings_per_sample": float(resampled.sum()) / num_samples,
        }


def watched(sampler: Sampler) -> tuple[Sampler, EffectiveParticles | None]:
    """The sampler, and what it will report of its particles, if it has any."""
    if not isinstance(sampler, ParticleSampler):
        return sampler, None
    particles = EffectiveParticles(sampler.num_particles)
    return replace(sampler, report=particles), particles
