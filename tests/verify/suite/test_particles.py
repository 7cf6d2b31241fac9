"""Particles have the tilted laws; and what draws others is found out."""

import pytest

from clarion.denoise import Estimate
from clarion.sample import ParticleSampler
from clarion.verify.suite import examine
from clarion.verify.suite.particles import examine_particles


def test_every_property_holds():
    (report,) = examine(["sampler/particles"])
    assert report.passed, str(report)


class FollowsTheSteering(ParticleSampler):
    """Takes the steered estimate for the denoiser's own."""

    def step(self, stage, state, estimate, noise):
        return super().step(stage, state, Estimate(estimate.mean), noise)


class WeighsTwice(ParticleSampler):
    """Adds the reward where its difference belongs."""

    def _weigh(self, x0, others):
        rewards, others = super()._weigh(x0, others)
        return rewards, others + 0.1 * self.scale * rewards


class KeepsItsWeights(ParticleSampler):
    """Resamples and weighs the copies again."""

    def _resample(self, stage, others, rewards, uniform):
        kept, parents = super()._resample(stage, others, rewards, uniform)
        return kept if parents is None else others[parents], parents


@pytest.mark.parametrize("cls", [FollowsTheSteering, WeighsTwice, KeepsItsWeights])
def test_what_draws_another_law_is_found_out(cls):
    assert not examine_particles("mine", cls).passed
