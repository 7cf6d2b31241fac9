"""The bound of the likelihood of tokens, by enumeration."""

import pytest
import torch

from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import markov_chain
from clarion.process.tokens import SCHEDULES, Masking, Uniform
from clarion.train.token_bound import TokenBound

DOUBLE = torch.float64
K, LENGTH = 3, 2
CHAIN = markov_chain([0.5, 0.3, 0.2], [[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], LENGTH)
ENTROPY = float(-torch.xlogy(CHAIN.probabilities, CHAIN.probabilities).sum())
PROCESSES = [kind(K, schedule) for kind in (Masking, Uniform) for schedule in SCHEDULES]
IDS = [f"{type(p).__name__}-{p.schedule}" for p in PROCESSES]


def expected_bound(process, denoiser, times):
    """E[sum over positions of the bound] at each time: sums over all x0 and x_t."""
    states = torch.cartesian_prod(*[torch.arange(process.num_states)] * LENGTH)
    found = []
    for time in times:
        total = torch.zeros((), dtype=DOUBLE)
        for x0 in CHAIN.sequences:
            t = time.expand(len(states))
            clean = x0.expand(len(states), -1)
            q = process.likelihood(states, t)  # (states, position, x0)
            weight = (
                q.gather(2, clean.unsqueeze(-1))[..., 0].prod(1) * CHAIN.probabilities[tuple(x0)]
            )
            each = process.bound(clean, states, t, denoiser(states, t, None).logits).sum(1)
            total = total + (weight * torch.where(weight > 0, each, 0.0)).sum()
        found.append(total)
    return torch.stack(found)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_the_bound_of_an_exact_denoiser_is_the_entropy(process):
    """Gauss-Legendre over t; near t = 0 what is lost before 1e-6 is of that order."""
    x, w = map(torch.tensor, _legendre(48))
    low, high = 1e-6, 1 - 1e-9
    # t = u², since the integrand of uniform tokens has a logarithm at 0.
    u = low**0.5 + (high**0.5 - low**0.5) * (x + 1) / 2
    values = expected_bound(process, TableDenoiser(process, CHAIN), u**2) * 2 * u
    total = float((w * values).sum()) * (high**0.5 - low**0.5) / 2
    assert total == pytest.approx(ENTROPY, abs=2e-4)


def _legendre(n):
    import numpy as np

    return np.polynomial.legendre.leggauss(n)


class Worse(Denoiser):
    """The exact denoiser, mixed with one that knows nothing."""

    def __init__(self, exact):
        super().__init__(exact.process)
        self.exact = exact

    def estimate(self, x_t, t, condition):
        return TokenEstimate.of_probabilities(0.8 * self.exact(x_t, t, condition).mean + 0.2 / K)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_any_other_denoiser_has_a_larger_bound_at_each_time(process):
    exact = TableDenoiser(process, CHAIN)
    times = torch.tensor([0.2, 0.5, 0.8], dtype=DOUBLE)
    least, more = (expected_bound(process, d, times) for d in (exact, Worse(exact)))
    assert (more > least).all()


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_it_is_the_divergence_of_the_rates(process):
    """sum over b of r - r0 + r0 log(r0 / r), written out from the reversed rates."""
    x_t = torch.cartesian_prod(*[torch.arange(process.num_states)] * LENGTH)
    t = torch.full((len(x_t),), 0.4, dtype=DOUBLE)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(len(x_t), LENGTH, K, dtype=DOUBLE, generator=generator)
    x0 = x_t.where(x_t < K, torch.randint(K, x_t.shape, generator=generator))
    r = process.reversed_rates(x_t, t, logits.softmax(-1))
    r0 = process.reversed_rates(x_t, t, torch.nn.functional.one_hot(x0, K).double())
    terms = r - r0 + torch.where(r0 > 0, r0 * (r0 / r).log(), 0.0)
    expected = torch.where(r > 0, terms, 0.0).sum(-1)
    torch.testing.assert_close(process.bound(x0, x_t, t, logits), expected, rtol=0, atol=1e-10)


def test_the_loss_is_the_bound_of_a_token_over_the_whole_time():
    process = Masking(K)
    denoiser, loss = TableDenoiser(process, CHAIN), TokenBound(process)
    x0, t = CHAIN.sequences, torch.linspace(0.1, 0.9, 9, dtype=DOUBLE)
    noise = torch.rand(9, LENGTH, 2, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
    x_t = process.perturb(x0, t, noise)
    logits = denoiser(x_t, t, None).logits
    # Of masks with the linear schedule the weight is 1 / t.
    entropy = -logits.log_softmax(-1).gather(2, x0.unsqueeze(-1))[..., 0] * (x_t == K)
    expected = (1 - 1e-4) * entropy.mean(1) / t
    torch.testing.assert_close(loss(denoiser, x0, t, noise, None), expected, rtol=1e-12, atol=0)
