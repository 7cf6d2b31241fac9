"""The exact law of what a token sampler draws, by propagation over all sequences."""

import torch

from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import markov_chain

DOUBLE = torch.float64
CHAIN = markov_chain([0.5, 0.3, 0.2], [[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], 3)


def law(sampler, denoiser, times, condition=None):
    """Probabilities of all sequences, (vocabulary,) * length, at the end of the times."""
    process, length = denoiser.process, CHAIN.length
    x = torch.cartesian_prod(*[torch.arange(process.num_states)] * length)
    start = torch.bincount(
        process.lost(torch.linspace(0, 1, 3 * 2**10 + 1, dtype=DOUBLE)[:-1]),
        minlength=process.num_states,
    )
    start = start.double() / start.sum()
    p = start[x].prod(1)
    for stage in sampler.plan(process, times).stages:
        t = torch.full((len(x),), stage.t, dtype=DOUBLE)
        moves = sampler.transition(stage, x, denoiser(x, t, condition))  # (x, position, next)
        assert (moves >= -1e-15).all()
        torch.testing.assert_close(
            moves.sum(-1), torch.ones_like(moves[..., 0]), rtol=0, atol=1e-12
        )
        q = p
        joint = moves[:, 0]
        for i in range(1, length):
            joint = (joint.unsqueeze(-1) * moves[:, i].unsqueeze(1)).flatten(1)
        p = q @ joint
    return p.reshape([process.num_states] * length)[(slice(process.vocabulary),) * length]


def distance(found, truth=CHAIN.probabilities):
    """Total variation."""
    return float((found - truth).abs().sum() / 2)


def exact(process):
    return TableDenoiser(process, CHAIN)
