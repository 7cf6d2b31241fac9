"""Token processes against sums over all sequences."""

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.normalizer import Normalizer
from clarion.base.vocabulary import Vocabulary
from clarion.process.tokens import SCHEDULES, Masking, TokenProcess, Uniform

DOUBLE = torch.float64
K, LENGTH = 3, 2
PROCESSES = [kind(K, schedule) for kind in (Masking, Uniform) for schedule in SCHEDULES]
TABLE = torch.rand(K, K, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))
TABLE /= TABLE.sum()
IDS = [f"{type(p).__name__}-{p.schedule}" for p in PROCESSES]


def pi(process: TokenProcess):
    """What lost tokens become, written out."""
    if isinstance(process, Masking):
        return torch.eye(K + 1, dtype=DOUBLE)[K]
    return torch.full((K,), 1 / K, dtype=DOUBLE)


def kernel(process, alpha):
    """q(x_t | x0) for one position, (vocabulary, num_states)."""
    return alpha * torch.eye(K, process.num_states, dtype=DOUBLE) + (1 - alpha) * pi(process)


def marginal(process, alpha):
    """p_t of both positions, (num_states, num_states)."""
    q = kernel(process, alpha)
    return q.mT @ TABLE @ q


def everywhere(process):
    """All x_t, and p(x0 | x_t) of each position at a time, by sums."""
    t = torch.full((process.num_states**2,), 0.4, dtype=DOUBLE)
    states = torch.arange(process.num_states)
    x_t = torch.cartesian_prod(states, states)
    q = kernel(process, process.alpha(t[0]))
    joint = torch.einsum("ab,ai,bj->ijab", TABLE, q, q)
    joint = joint / joint.sum((2, 3), keepdim=True)
    p = torch.stack([joint.sum(3), joint.sum(2)], 2).flatten(0, 1)  # (x_t, position, x0)
    return x_t, t, p


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_alpha_falls_from_one_to_zero_at_its_rate(process):
    t = torch.linspace(0, 1, 11, dtype=DOUBLE, requires_grad=True)
    alpha = process.alpha(t)
    (rate,) = torch.autograd.grad(alpha.sum(), t)
    torch.testing.assert_close(process.alpha_rate(t), rate, rtol=0, atol=1e-12)
    assert (rate[1:-1] < 0).all()
    torch.testing.assert_close(
        alpha[[0, -1]], torch.tensor([1.0, 0.0], dtype=DOUBLE), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_tokens_are_perturbed_with_the_stated_probabilities(process):
    """Uniform numbers on a grid stand for all of them."""
    t, m = 0.4, 300
    alpha = process.alpha(torch.tensor(t, dtype=DOUBLE))
    at = (torch.arange(m, dtype=DOUBLE) + 0.5) / m
    noise = torch.stack(torch.meshgrid(at, at, indexing="ij"), -1).reshape(-1, 1, 2)
    for token in range(K):
        x0 = torch.full((m * m, 1), token)
        x_t = process.perturb(x0, torch.full((m * m,), t, dtype=DOUBLE), noise)
        shares = torch.bincount(x_t[:, 0], minlength=process.num_states) / m**2
        torch.testing.assert_close(
            shares.double(), kernel(process, alpha)[token], rtol=0, atol=1.5 / m
        )


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_likelihoods_are_the_kernel(process):
    x_t, t, _ = everywhere(process)
    expected = kernel(process, process.alpha(t[0])).mT[x_t]
    torch.testing.assert_close(process.likelihood(x_t, t), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_rates_are_those_of_the_marginals(process):
    """dp_t/dt = sum_b p_t(b) rate(b -> x) - p_t(x) sum_b rate(x -> b), for one position."""
    t = torch.tensor(0.4, dtype=DOUBLE, requires_grad=True)
    p_t = TABLE.sum(1) @ kernel(process, process.alpha(t))
    change = torch.stack([torch.autograd.grad(p, t, retain_graph=True)[0] for p in p_t])
    x = torch.arange(process.num_states)[:, None]
    rates = process.rates(x, t.detach().expand(len(x)))[:, 0]  # [x, b]: from x to b
    assert (rates.diagonal() == 0).all()
    expected = p_t.detach() @ rates - p_t.detach() * rates.sum(1)
    torch.testing.assert_close(change, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_reversed_rates_are_rates_times_ratios_of_the_marginals(process):
    x_t, t, p = everywhere(process)
    of_all = marginal(process, process.alpha(t[0]))
    first, second = of_all[:, x_t[:, 1]].mT, of_all[x_t[:, 0]]
    ratios = torch.stack([first, second], 1) / of_all[x_t[:, 0], x_t[:, 1]][:, None, None]
    every = torch.arange(process.num_states)[:, None]
    forward = process.rates(every, t[: len(every)])[:, 0]  # [b, x]: from b to x
    expected = forward.mT[x_t] * ratios
    torch.testing.assert_close(process.reversed_rates(x_t, t, p), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_a_transition_is_bayes_rule(process):
    """p(x_s | x_t) = sum over x0 of p(x0 | x_t) q(x_s, x_t | x0) / q(x_t | x0)."""
    x_t, t, p = everywhere(process)
    s = torch.full_like(t, 0.15)
    alpha_s, alpha_t = process.alpha(s[0]), process.alpha(t[0])
    between = alpha_t / alpha_s
    lost = pi(process)
    forward = between * torch.eye(process.num_states, dtype=DOUBLE) + (1 - between) * lost
    if isinstance(process, Masking):
        forward[K] = lost
    pair = kernel(process, alpha_s)[:, :, None] * forward  # (x0, x_s, x_t)
    posterior = pair / pair.sum(1, keepdim=True).clamp(min=1e-300)
    expected = torch.einsum("nlk,ksnl->nls", p, posterior[:, :, x_t])
    torch.testing.assert_close(process.transition(x_t, t, s, p), expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(
        expected.sum(-1), torch.ones_like(expected[..., 0]), rtol=0, atol=1e-12
    )


@pytest.mark.parametrize("process", PROCESSES, ids=IDS)
def test_a_transition_to_the_data_is_the_estimate(process):
    x_t, t, p = everywhere(process)
    actual = process.transition(x_t, t, torch.zeros_like(t), p)
    torch.testing.assert_close(actual[..., :K], p, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Masking(1), "vocabulary must be at least 2 tokens, got 1"),
        (lambda: Uniform(4, "liner"), "Did you mean 'linear'"),
        (lambda: Masking(4, t_min=0.0), r"t_min must lie between 0 and 1, got 0\.0"),
    ],
)
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()


@pytest.mark.parametrize("kind", [Masking, Uniform])
def test_data_say_how_many_tokens_there_are(kind):
    process = kind(schedule="cosine")
    assert process.of_data(Vocabulary(("a", "b", "c"))) == kind(3, schedule="cosine")
    with pytest.raises(ClarionError, match="is of tokens, and the data are numbers: take 'edm'"):
        process.of_data(Normalizer((0.0,), (1.0,)))
