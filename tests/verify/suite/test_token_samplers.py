"""Token samplers have the laws that they promise; and what has another is found out."""

import pytest
import torch

from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import Masking
from clarion.sample import TOKEN_SAMPLERS, ParticleSampler, ValueDecodingSampler
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.sampler import at
from clarion.sample.tokens.tau_leaping import TauLeaping
from clarion.verify.suite import examine
from clarion.verify.suite.token_samplers import examine_token_sampler


def failing(report):
    return {finding.what for finding in report.failures}


@pytest.mark.parametrize("name", list(TOKEN_SAMPLERS))
def test_every_property_holds(name):
    (report,) = examine([f"token_sampler/{name}"])
    assert report.passed, str(report)


class Exchanged(AncestralTokens):
    """alpha_s and alpha_t exchanged."""

    def transition(self, stage, x, estimate):
        if stage.next_t == 0:
            return super().transition(stage, x, estimate)
        return stage.process.transition(x, at(stage.next_t, x), at(stage.t, x), estimate.mean)


class ShowsTooSoon(AncestralTokens):
    """(alpha_s - alpha_t) / (1 - alpha_s) for the share that is shown."""

    def transition(self, stage, x, estimate):
        process = stage.process
        p = super().transition(stage, x, estimate)
        if not isinstance(process, Masking) or stage.next_t == 0:
            return p
        s, t = process.alpha(torch.tensor([stage.next_t, stage.t], dtype=torch.float64))
        shown = p[..., :-1] * (1 - t) / (1 - s)
        soon = torch.cat([shown, 1 - shown.sum(-1, keepdim=True)], -1)
        return torch.where((x == process.mask).unsqueeze(-1), soon, p)


class Sharpened(AncestralTokens):
    """A temperature of 0.9."""

    def transition(self, stage, x, estimate):
        return super().transition(stage, x, TokenEstimate(estimate.logits / 0.9))


class Leaky(TauLeaping):
    """One in a hundred is lost at each step."""

    def transition(self, stage, x, estimate):
        return super().transition(stage, x, estimate) * 0.99


class OneFieldForAll(AncestralTokens):
    """The first sample's numbers for every one of the batch."""

    def draw(self, stage, streams, like):
        return super().draw(stage, streams, like)[:1].expand(len(like), -1)


LOST = "probability that is lost, or below 0"
LAW = "distance from the law, over that in twice as many steps"


@pytest.mark.parametrize(
    ("sampler", "name", "properties"),
    [
        (Exchanged(), "ancestral", {LOST, LAW, "distance in the limit of small steps"}),
        (ShowsTooSoon(), "ancestral", {"error of the share of masks at every time"}),
        (Sharpened(), "ancestral", {LAW, "distance in the limit of small steps"}),
        (Leaky(), "tau_leaping", {LOST}),
        (
            OneFieldForAll(),
            "ancestral",
            {"samples in 4 steps", "effect of the other rows of the batch"},
        ),
        (AncestralTokens(), "confidence", {"distance from the law, one position a step"}),
    ],
)
def test_a_faulty_sampler_is_caught(sampler, name, properties):
    assert properties <= failing(examine_token_sampler(name, type(sampler), [sampler]))


class WeighsTwice(ParticleSampler):
    """Adds the reward where its difference belongs."""

    def _weigh(self, rewards, others):
        rewards, others = super()._weigh(rewards, others)
        return rewards, others + self.scale * rewards


class ForgetsTheEnd(ParticleSampler):
    """Draws one in the end without the reward of x0."""

    def finish(self, state, streams):
        return super().finish((*state[:-1], 0 * state[-1]), streams)


class TakesAny(ValueDecodingSampler):
    """Keeps a candidate whatever its value."""

    def _copied(self, log_weights, uniform):
        return super()._copied(0 * log_weights, uniform)


@pytest.mark.parametrize("cls", [WeighsTwice, ForgetsTheEnd, TakesAny])
def test_particles_of_another_law_are_caught(cls):
    assert "samples" in failing(examine_token_sampler("mine", cls))
