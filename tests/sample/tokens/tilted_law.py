"""A reward of short sequences, and the laws of samplers that are steered by it, by enumeration."""

import math

import torch
from token_law import DOUBLE, clean_part, exact, law, moves, noisy_sequences, start

from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact.tokens import total_variation
from clarion.process.grids import Trailing
from clarion.sample import sample
from clarion.sample.tokens.ancestral import AncestralTokens

NUM_STEPS, SCALE = 4, 4.0
INNER = AncestralTokens()
REWARDS = torch.rand(3, 3, 3, dtype=DOUBLE, generator=torch.Generator().manual_seed(3))


def reward(x0, condition):
    """A number in [0, 1] for each of the 27 sequences, no two alike."""
    return REWARDS[tuple(x0.T)]


def own_law(process, sampler=INNER):
    """Of a sampler alone, in so few steps."""
    return law(sampler, exact(process), Trailing()(process, NUM_STEPS))


def tilted(process, sampler=INNER):
    """What is asked for, p(x) exp(scale r(x)) / Z of the sampler's own law."""
    law = own_law(process, sampler) * (SCALE * REWARDS).exp()
    return law / law.sum()


def all_moves(process):
    return list(moves(INNER, exact(process), Trailing()(process, NUM_STEPS)))


def rewards_of_noisy(process):
    """Of each x_t of `noisy_sequences`; -infinity where a mask is left."""
    x = noisy_sequences(process)
    found = torch.full((len(x),), -math.inf, dtype=DOUBLE)
    is_clean = (x < process.vocabulary).all(1)
    found[is_clean] = reward(x[is_clean], None)
    return found


def soft_values(process):
    """log E[exp(scale r(x0)) | x_t] / scale in the sampler's own chain, at each time it asks."""
    values, value = {}, rewards_of_noisy(process)
    for stage, _, joint in reversed(all_moves(process)):
        value = (joint @ (SCALE * value).exp()).log() / SCALE
        values[stage.t] = value
    return values


def value_of(process):
    """The exact soft value as a function of x_t and the time."""
    values = soft_values(process)
    shape = [process.num_states] * 3

    def value(x_t, t, condition):
        return values[t].reshape(shape)[tuple(x_t.T)]

    return value


def values_of_likeliest(process):
    """The reward of the likeliest tokens, at each time."""
    return {
        stage.t: reward(estimate.logits.argmax(-1), None)
        for stage, estimate, _ in all_moves(process)
    }


def values_of_guesses(process):
    """log E exp(scale r(x0)) / scale with each position of x0 by itself, at each time."""
    found = {}
    for stage, estimate, _ in all_moves(process):
        a, b, c = estimate.mean.unbind(1)
        found[stage.t] = (
            torch.einsum("xi,xj,xk,ijk->x", a, b, c, (SCALE * REWARDS).exp()).log() / SCALE
        )
    return found


def law_of_many_candidates(process, values):
    """Of value decoding, as their number goes to infinity: each move is tilted by the value."""
    steps = all_moves(process)
    *_, last = [values[stage.t] for stage, _, _ in steps], rewards_of_noisy(process)
    after = [*[values[stage.t] for stage, _, _ in steps[1:]], last]
    p = start(process) * (SCALE * values[steps[0][0].t]).exp()
    p = p / p.sum()
    for (_, _, joint), value in zip(steps, after, strict=True):
        moved = joint * (SCALE * value).exp()
        p = p @ (moved / moved.sum(1, keepdim=True))
    return clean_part(p, process)


class Listed(Denoiser):
    """The exact denoiser, which at each time is asked once about each of the few sequences."""

    def __init__(self, process):
        super().__init__(process)
        self.inner = exact(process)

    def estimate(self, x_t, t, condition):
        x = noisy_sequences(self.process)
        logits = self.inner(x, t[:1].expand(len(x)), None).logits
        places = self.process.num_states ** torch.arange(2, -1, -1)
        return TokenEstimate(logits[(x_t * places).sum(1)])


def drawn(sampler, process, n=None, **settings):
    settings = {"num_steps": NUM_STEPS, "seed": 1} | settings
    return sample(Listed(process), (3,), n=n, sampler=sampler, **settings)


def error(sampler, process, n, truth):
    """Total variation of n samples from a law."""
    return total_variation(drawn(sampler, process, n), truth)


def floor(law, n):
    """Total variation that n exact samples have in the mean, each share normal."""
    return float((law * (1 - law) / n).sqrt().sum() * math.sqrt(2 / math.pi) / 2)
