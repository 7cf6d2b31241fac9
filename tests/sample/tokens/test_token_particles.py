"""Particles of tokens against tilted laws, by enumeration."""

import math
from dataclasses import replace

import pytest
import torch
from tilted_law import (
    INNER,
    REWARDS,
    SCALE,
    drawn,
    error,
    floor,
    own_law,
    reward,
    tilted,
    value_of,
)
from token_law import distance, noisy_sequences

from clarion.base.errors import ClarionError, SamplingError
from clarion.base.vocabulary import Vocabulary
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide import SampleSpace
from clarion.process import EDM
from clarion.process.tokens import Masking, Uniform
from clarion.sample import ParticleSampler, sample
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.tokens.confidence import Confidence
from clarion.sample.tokens.corrector import PredictorCorrector
from clarion.sample.tokens.remasking import Remasking
from clarion.sample.tokens.tau_leaping import TauLeaping

DOUBLE = torch.float64
PROCESSES = [Masking(3), Uniform(3)]
NUMBERS = [(1, 6_000), (4, 6_000), (16, 4_000), (64, 2_000)]
"""Particles, and samples that are drawn with so many."""


def particles(count, **settings):
    return ParticleSampler(reward, SCALE, count, sampler=INNER, **settings)


def law_of_weights(process, count, scale=SCALE):
    """Of one of `count` particles by its weight, never resampled.

    P(x) = P q(x) w(x) E[1 / (w(x) + the weights of the P - 1 others)], and
    1 / a = integral of exp(-a u) over u > 0, so that the expectation is one of phi(u)^(P - 1), with
    phi(u) = E exp(-u w).
    """
    q, w = own_law(process), (scale * REWARDS).exp()
    u = torch.linspace(-16, 4, 8001, dtype=DOUBLE).exp()
    phi = (q * (-u[:, None, None, None] * w).exp()).sum((1, 2, 3))
    inside = (-u[:, None, None, None] * w).exp() * phi.pow(count - 1)[:, None, None, None]
    return count * q * w * torch.trapezoid(inside, u, dim=0)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_weights_alone_have_their_law_at_any_number(process):
    """And that law falls to the tilted one as 1 / P."""
    laws = {count: law_of_weights(process, count) for count, _ in NUMBERS}
    for count, n in NUMBERS:
        assert float(laws[count].sum()) == pytest.approx(1, abs=1e-4)
        found = error(particles(count, ess_threshold=0.0), process, n, laws[count])
        assert found < 1.5 * floor(laws[count], n)
    off = {count: distance(law, tilted(process)) for count, law in laws.items()}
    assert off[1] > 0.5
    assert off[16] / off[64] == pytest.approx(4, abs=0.4)


@pytest.mark.parametrize(
    ("process", "num_guesses"), [(PROCESSES[0], 0), (PROCESSES[0], 3), (PROCESSES[1], 0)]
)
def test_the_law_tends_to_the_tilted_one_whatever_is_asked_on_the_way(process, num_guesses):
    """Resampled at each step; the noise of n samples is part of each distance."""
    truth = tilted(process)
    off, noise = {}, {}
    for count, n in NUMBERS:
        sampler = particles(count, ess_threshold=1.0, num_guesses=num_guesses)
        off[count], noise[count] = error(sampler, process, n, truth), floor(truth, n)
    assert off[1] > 0.5
    assert 1.7 < off[1] / off[4] < 3.5
    assert 2 < off[4] / off[16] < 5
    # What is left of the bias, which falls as 1 / P, and the noise.
    assert off[64] < off[16] / 4 + 1.4 * noise[64]


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_the_exact_value_needs_fewer_particles(process):
    truth, n = tilted(process), 5_000
    asked = error(particles(16, ess_threshold=1.0), process, n, truth)
    known = error(particles(16, ess_threshold=1.0, value=value_of(process)), process, n, truth)
    assert known < 0.7 * asked
    more = particles(32, ess_threshold=1.0, value=value_of(process))
    assert error(more, process, n, truth) < 1.6 * floor(truth, n)


@pytest.mark.parametrize(
    "inner",
    [
        TauLeaping(),
        Remasking(rate=1.0),
        Confidence(),
        PredictorCorrector(),
    ],
    ids=str,
)
def test_every_sampler_of_tokens_moves_particles(inner):
    process, n = Masking(3), 1_500
    truth = tilted(process, inner)
    assert distance(own_law(process, inner), truth) > 0.4
    sampler = replace(particles(128, num_guesses=2), sampler=inner)
    assert error(sampler, process, n, truth) < 1.6 * floor(truth, n)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_without_a_sampler_they_are_moved_by_ancestral_sampling(process):
    chosen = replace(particles(4), sampler=None)
    assert torch.equal(drawn(chosen, process, 20), drawn(particles(4), process, 20))
    assert chosen.sampler is None
    assert (chosen.order, chosen.is_stochastic) == (INNER.order, INNER.is_stochastic)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_one_particle_is_the_sampler_alone(process):
    alone = drawn(INNER, process, 50)
    for settings in ({}, {"num_guesses": 3}, {"choose": "best"}):
        assert torch.equal(drawn(particles(1, **settings), process, 50), alone)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_best_of_n_has_the_law_of_the_largest(process):
    """P(best = x) = F(r(x))^P - F(below r(x))^P, with F the distribution function of rewards."""
    order = REWARDS.flatten().argsort()
    upto = own_law(process).flatten()[order].cumsum(0)
    powers = upto**8
    law = torch.zeros(27, dtype=DOUBLE)
    law[order] = powers - torch.cat([powers.new_zeros(1), powers[:-1]])
    law, n = law.reshape(3, 3, 3), 10_000
    best = particles(8, ess_threshold=0.0, choose="best")
    assert error(best, process, n, law) < 1.5 * floor(law, n)
    assert distance(law, tilted(process)) > 0.1  # another one


@pytest.mark.parametrize("num_guesses", [0, 3])
def test_the_report_and_a_sample_in_any_batch(num_guesses):
    told = []
    sampler = particles(
        6, ess_threshold=0.9, num_guesses=num_guesses, report=lambda *values: told.append(values)
    )
    whole = drawn(sampler, Uniform(3), 40)
    assert len(told) == 4
    for _, number, resampled in told:
        assert number.dtype == DOUBLE
        assert ((number > 1 - 1e-9) & (number < 6 + 1e-9)).all()
        assert resampled[number >= 0.9 * 6].sum() == 0
    assert any(resampled.any() for _, _, resampled in told)
    assert torch.equal(drawn(sampler, Uniform(3), indices=[31, 2]), whole[[31, 2]])


def test_guesses_have_the_probabilities_of_the_estimate():
    """By a lattice of numbers in [0, 1) each token comes as often as its probability says."""
    p = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]], dtype=DOUBLE)
    estimate = TokenEstimate.of_probabilities(p[:, None])  # two samples of one position
    uniform = (torch.arange(1000, dtype=DOUBLE) + 0.5) / 1000
    guesses = estimate.guesses(uniform[:, None, None].expand(-1, 2, 1))
    shares = torch.stack([(guesses[..., 0] == token).double().mean(0) for token in range(3)], 1)
    torch.testing.assert_close(shares, p, rtol=0, atol=1e-12)
    assert estimate.guesses().tolist() == [[[0], [2]]]


def test_guesses_are_averaged_as_exponentials():
    """By a lattice over both tokens: log sum_x0 p(x0) exp(scale r(x0)) / scale."""
    p = torch.tensor([[0.5, 0.5], [0.25, 0.75], [1.0, 0.0]], dtype=DOUBLE)
    estimate = TokenEstimate.of_probabilities(p[None])
    at = (torch.arange(4, dtype=DOUBLE) + 0.5) / 4
    uniform = torch.cartesian_prod(at, at, at)[:, None]
    wanted = torch.einsum("i,j,k,ijk->", *p, (SCALE * REWARDS[:2, :2, :2]).exp()).log() / SCALE
    found = particles(2, num_guesses=64)._foretold(None, None, estimate, uniform)
    torch.testing.assert_close(found, wanted[None], rtol=0, atol=1e-12)


def test_minus_infinity_forbids_sequences():
    """At first no sequence of the likeliest tokens is allowed."""

    def ends_in_1(x0, condition):
        return torch.where(x0[:, -1] == 1, 0.0, -math.inf)

    process, n = Masking(3), 3_000
    truth = own_law(process).clone()
    truth[..., [0, 2]] = 0
    truth = truth / truth.sum()
    sampler = ParticleSampler(ends_in_1, 1.0, 64, sampler=INNER)
    x = drawn(sampler, process, n)
    assert (x[:, -1] == 1).all()
    found = torch.bincount(x @ torch.tensor([9, 3, 1]), minlength=27).double().reshape(3, 3, 3) / n
    assert distance(found, truth) < 1.5 * floor(truth, n) + 0.02  # the bias of 64
    nothing = replace(sampler, fn=lambda x0, _: torch.full((len(x0),), -math.inf))
    with pytest.raises(SamplingError, match="5 of 5 samples have no weights"):
        drawn(nothing, process, 5)


def test_a_reward_is_tried_on_tokens_before_sampling():
    asked = []

    def seen(x0, condition):
        asked.append(x0)
        return x0.sum(1) / 3

    space = SampleSpace((5,), Vocabulary(tuple("ACDEFGH")))
    ParticleSampler(seen, 1.0, 4, sampler=INNER).bind(space)
    assert all(x0.dtype == torch.int64 and x0.shape[1] == 5 for x0 in asked)
    assert asked[0].max() <= 6
    assert asked[0].unique().numel() > 2
    with pytest.raises(ClarionError, match="must not depend on the others"):
        ParticleSampler(lambda x0, _: x0.sum(1) / x0.sum(), 1.0, 4).bind(space)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: drawn(ParticleSampler(reward, 1.0, 4, sampler=DDPMSampler()), Masking(3), 2),
            "moves numbers, and the model is of Masking.*take 'ancestral'",
        ),
        (
            lambda: sample(
                GaussianDenoiser(EDM(), torch.zeros(2), torch.eye(2)),
                (2,), n=1, sampler=ParticleSampler(reward, 1.0, 4, num_guesses=2),
            ),
            "num_guesses must be 0 for EDM.*, got 2: of an estimate of numbers only the mean",
        ),
        (lambda: particles(4, num_guesses=-1), "num_guesses must be a whole number, at least 0"),
        (
            lambda: ParticleSampler(reward, 1.0, 4, sampler=particles(2)),
            "moved by a sampler such as DDPMSampler",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()


def test_all_noisy_sequences_are_listed():
    """Else the soft values would be those of others."""
    x = noisy_sequences(Masking(3))
    assert len(x.unique(dim=0)) == 64
