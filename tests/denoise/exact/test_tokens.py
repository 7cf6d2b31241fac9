"""Enumerated token chains against Bayes' rule by recursion, and against counts."""

import itertools
import math

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.denoise.exact.tokens import (
    TokenDistribution,
    hidden_markov_model,
    markov_chain,
    total_variation,
)

INITIAL = [0.5, 0.3, 0.2]
TRANSITION = [[0.7, 0.2, 0.1], [0.1, 0.6, 0.3], [0.25, 0.25, 0.5]]
EMISSION = [[0.9, 0.1], [0.4, 0.6], [0.2, 0.8]]
LENGTH = 4
CHAIN = markov_chain(INITIAL, TRANSITION, LENGTH)
MODEL = hidden_markov_model(INITIAL, TRANSITION, EMISSION, LENGTH)
CLOSE = {"rtol": 0, "atol": 1e-14}  # float64 sums of 81 numbers below 1


def chain_probability(sequence):
    p = INITIAL[sequence[0]]
    for before, after in itertools.pairwise(sequence):
        p *= TRANSITION[before][after]
    return p


def forward_backward(evidence):
    """p(x_i | evidence) by messages: evidence[i][v] is how well token v fits at position i.

    Source: Rabiner 1989, doi 10.1109/5.18626, equations 19 to 27.
    """
    initial = torch.tensor(INITIAL, dtype=torch.float64)
    step = torch.tensor(TRANSITION, dtype=torch.float64)
    forward = [initial * evidence[0]]
    for fit in evidence[1:]:
        forward.append((forward[-1] @ step) * fit)
    backward = [torch.ones(3, dtype=torch.float64)]
    for fit in evidence[1:].flip(0):
        backward.insert(0, step @ (fit * backward[0]))
    joint = torch.stack(forward) * torch.stack(backward)
    return joint / joint.sum(1, keepdim=True)


def test_the_table_holds_the_product_of_transitions():
    for sequence, p in zip(CHAIN.sequences, CHAIN.probabilities.flatten(), strict=True):
        assert float(p) == pytest.approx(chain_probability(sequence.tolist()), rel=1e-14)
        assert float(CHAIN.probabilities[tuple(sequence)]) == float(p)
    assert float(CHAIN.probabilities.sum()) == pytest.approx(1, rel=1e-14)


@pytest.mark.parametrize(
    "tokens",
    [[-1, -1, -1, -1], [0, -1, -1, 2], [-1, 1, -1, -1], [2, 1, -1, 0], [-1, -1, -1, 1]],
)
def test_conditionals_are_those_of_messages_along_the_chain(tokens):
    evidence = torch.ones(LENGTH, 3, dtype=torch.float64)
    for position, token in enumerate(tokens):
        if token >= 0:
            evidence[position] = torch.nn.functional.one_hot(torch.tensor(token), 3).double()
    found = CHAIN.conditional(torch.tensor([tokens, tokens]))
    torch.testing.assert_close(found, forward_backward(evidence).expand(2, -1, -1), **CLOSE)


def test_rows_are_answered_by_themselves():
    tokens = torch.randint(-1, 3, (200, LENGTH), generator=torch.Generator().manual_seed(0))
    together = CHAIN.conditional(tokens)
    alone = torch.cat([CHAIN.conditional(row[None]) for row in tokens])
    torch.testing.assert_close(together, alone, rtol=0, atol=0)


@pytest.mark.parametrize("y", [[0, 0, 0, 0], [0, 1, 1, 0], [1, 1, 0, 1]])
def test_the_posterior_of_a_hidden_chain_is_that_of_forward_and_backward(y):
    posterior = MODEL.posterior(torch.tensor(y))
    evidence = torch.tensor(EMISSION, dtype=torch.float64)[:, y].T
    found = posterior.conditional(torch.full((1, LENGTH), -1))[0]
    torch.testing.assert_close(found, forward_backward(evidence), **CLOSE)
    for sequence, p in zip(posterior.sequences, posterior.probabilities.flatten(), strict=True):
        x = sequence.tolist()
        joint = chain_probability(x) * math.prod(EMISSION[a][b] for a, b in zip(x, y, strict=True))
        evidence_total = sum(
            chain_probability(z) * math.prod(EMISSION[a][b] for a, b in zip(z, y, strict=True))
            for z in itertools.product(range(3), repeat=LENGTH)
        )
        assert float(p) == pytest.approx(joint / evidence_total, rel=1e-12)


def test_draws_of_a_hidden_chain_come_as_often_as_they_should():
    n = 20_000
    x, y = MODEL.draw(n, torch.Generator().manual_seed(0))
    # Joint law of the first hidden token and what it shows; 5 binomial deviations.
    for token, shown in itertools.product(range(3), range(2)):
        p = INITIAL[token] * EMISSION[token][shown]
        share = float(((x[:, 0] == token) & (y[:, 0] == shown)).double().mean())
        assert share == pytest.approx(p, abs=5 * math.sqrt(p * (1 - p) / n))


def test_exact_draws_are_as_far_from_the_truth_as_counts_are():
    """E |share - p| is sqrt(2 p (1 - p) / (pi n)) for many counts; half their sum is the TV."""
    n = 200_000
    p = CHAIN.probabilities.flatten()
    expected = float((2 * p * (1 - p) / (math.pi * n)).sqrt().sum() / 2)
    sets = [CHAIN.draw(n, torch.Generator().manual_seed(seed)) for seed in range(10)]
    found = sum(total_variation(x, CHAIN.probabilities) for x in sets) / 10
    assert found == pytest.approx(expected, rel=0.1)  # one set scatters by 9 %, ten by 3 %


def test_total_variation_of_known_shares():
    table = torch.tensor([[0.5, 0.0], [0.25, 0.25]], dtype=torch.float64)
    tokens = torch.tensor([[0, 0], [0, 1], [0, 1], [1, 0]])
    # Shares 1/4, 1/2, 1/4, 0: differences 1/4, 1/2, 0, 1/4.
    assert total_variation(tokens, table) == 0.5


def test_marginals_are_sums_of_the_table():
    step = torch.tensor(TRANSITION, dtype=torch.float64)
    second = torch.tensor(INITIAL, dtype=torch.float64) @ step
    torch.testing.assert_close(CHAIN.marginals(1, 1), second, **CLOSE)
    torch.testing.assert_close(CHAIN.marginals(1, 2), second.unsqueeze(1) * step, **CLOSE)
    assert CHAIN.marginals(0, LENGTH) is CHAIN.probabilities


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.long), r"tokens must have shape \(n, 4\), got \(2, 3\)"),
        (torch.zeros(2, 4), "tokens must be whole numbers, got torch.float32"),
        (torch.tensor([[0, 1, 2, 3]]), r"tokens must be in 0..2, or -1 for masked, got 0 to 3"),
        ([0, 1], r"tokens must have shape \(n, 4\), got \[0, 1\]"),
    ],
)
def test_tokens_that_are_none_are_refused(tokens, message):
    with pytest.raises(ClarionError, match=message):
        CHAIN.conditional(tokens)


def test_what_cannot_be_is_refused():
    never = TokenDistribution(torch.tensor([[0.5, 0.0], [0.5, 0.0]], dtype=torch.float64))
    with pytest.raises(ClarionError, match=r"visible tokens of \[-1, 1\] have probability 0"):
        never.conditional(torch.tensor([[-1, 1]]))
    with pytest.raises(ClarionError, match=r"y must be 4 tokens in 0\.\.1"):
        MODEL.posterior(torch.tensor([0, 1, 2, 0]))
    with pytest.raises(ClarionError, match=r"length must be at least 1, and 3 \*\* length"):
        markov_chain(INITIAL, TRANSITION, 20)
    with pytest.raises(ClarionError, match="transition must be at least 0 and add up to 1"):
        markov_chain(INITIAL, [[0.5, 0.5, 0.5]] * 3, 2)
    with pytest.raises(ClarionError, match="emission must have 3 rows, got 2"):
        hidden_markov_model(INITIAL, TRANSITION, [[1.0, 0.0]] * 2, 2)
