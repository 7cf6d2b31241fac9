"""The exact law of what a token sampler draws, by propagation over all sequences."""

import torch

from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import markov_chain

DOUBLE = torch.float64
CHAIN = markov_chain([0.5, 0.3, 0.2], [[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], 3)


def noisy_sequences(process):
    """All x_t, (num_states ** length, length)."""
    return torch.cartesian_prod(*[torch.arange(process.num_states)] * CHAIN.length)


def start(process):
    """Probabilities of all x_t at t = 1."""
    states = torch.bincount(
        process.lost(torch.linspace(0, 1, 3 * 2**10 + 1, dtype=DOUBLE)[:-1]),
        minlength=process.num_states,
    )
    return (states.double() / states.sum())[noisy_sequences(process)].prod(1)


def moves(sampler, denoiser, times, condition=None):
    """Of each stage, what the denoiser said and p(x_s | x_t), a matrix over all sequences."""
    x = noisy_sequences(denoiser.process)
    for stage in sampler.plan(denoiser.process, times).stages:
        t = torch.full((len(x),), stage.t, dtype=DOUBLE)
        estimate = denoiser(x, t, condition)
        of_places = sampler.transition(stage, x, estimate)  # (x, position, next)
        assert (of_places >= -1e-15).all()
        torch.testing.assert_close(
            of_places.sum(-1), torch.ones_like(of_places[..., 0]), rtol=0, atol=1e-12
        )
        joint = of_places[:, 0]
        for i in range(1, CHAIN.length):
            joint = (joint.unsqueeze(-1) * of_places[:, i].unsqueeze(1)).flatten(1)
        yield stage, estimate, joint


def law(sampler, denoiser, times, condition=None):
    """Probabilities of all sequences, (vocabulary,) * length, at the end of the times."""
    p = start(denoiser.process)
    for _, _, joint in moves(sampler, denoiser, times, condition):
        p = p @ joint
    return clean_part(p, denoiser.process)


def clean_part(values, process):
    """Values of all x_t -> of those without a mask, (vocabulary,) * length."""
    table = values.reshape([process.num_states] * CHAIN.length)
    return table[(slice(process.vocabulary),) * CHAIN.length]


def distance(found, truth=CHAIN.probabilities):
    """Total variation."""
    return float((found - truth).abs().sum() / 2)


def exact(process):
    return TableDenoiser(process, CHAIN)
