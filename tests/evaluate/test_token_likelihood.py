"""The bound of tokens by passes, against the entropy of a chain whose sequences can be listed."""

from __future__ import annotations

import pytest
import torch

from clarion.base.condition import Condition
from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import markov_chain
from clarion.evaluate.token_likelihood import token_bound
from clarion.process.tokens import Masking, Uniform

CHAIN = markov_chain([0.5, 0.3, 0.2], [[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], 2)
P = CHAIN.probabilities
NOTHING = Condition({}, {})
N = 2000


def drawn() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    numbers = torch.multinomial(P.flatten(), N, replacement=True, generator=generator)
    return CHAIN.sequences[numbers]


@pytest.mark.parametrize(("process", "most"), [(Masking(3), 0.02), (Uniform(3), 0.06)])
def test_of_an_exact_denoiser_it_is_the_entropy(process, most: float) -> None:
    x0 = drawn()
    found = token_bound(TableDenoiser(process, CHAIN), x0, NOTHING, passes=8)
    assert found.shape == (8, N)
    # What these sequences need, not what sequences of the chain need on average.
    truth = float(-P[tuple(x0.T)].log().mean()) / 2
    error = float(found.mean(1).std()) / 8**0.5
    assert error < most
    assert float(found.mean()) == pytest.approx(truth, abs=4 * error)


def test_positions_that_are_asked_for_are_bounded_given_all_others() -> None:
    x0 = drawn()
    asked = torch.tensor([False, True])
    found = token_bound(TableDenoiser(Masking(3), CHAIN), x0, NOTHING, passes=8, asked=asked)
    given = P / P.sum(1, keepdim=True)
    truth = float(-given[tuple(x0.T)].log().mean())
    error = float(found.mean(1).std()) / 8**0.5
    assert float(found.mean()) == pytest.approx(truth, abs=4 * error)


def test_it_does_not_depend_on_the_batch_and_torchs_random_state_is_left_alone() -> None:
    denoiser, x0, seen = TableDenoiser(Masking(3), CHAIN), drawn()[:30], []
    before = torch.get_rng_state()
    how = {"passes": 2, "on_progress": lambda done, total: seen.append((done, total))}
    first = token_bound(denoiser, x0, NOTHING, batch_size=30, **how)
    torch.testing.assert_close(token_bound(denoiser, x0, NOTHING, batch_size=7, **how), first)
    assert not token_bound(denoiser, x0, NOTHING, seed=1, **how).equal(first)
    assert torch.get_rng_state().equal(before)
    assert seen[-1] == (60, 60)
