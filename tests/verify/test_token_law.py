"""Laws by propagation, where they are known without it."""

import math

import pytest
import torch

from clarion.denoise.exact.table import TableDenoiser
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.verify.token_law import (
    CHAIN,
    PROCESSES,
    ListedDenoiser,
    distance,
    in_floors,
    law,
    noisy_sequences,
)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=str)
def test_one_step_draws_each_position_by_itself(process):
    first, second, third = (CHAIN.marginals(i, 1) for i in range(3))
    product = first[:, None, None] * second[:, None] * third
    found = law(AncestralTokens(), TableDenoiser(process, CHAIN), 1)
    torch.testing.assert_close(found, product, rtol=0, atol=1e-12)


@pytest.mark.parametrize("process", PROCESSES.values(), ids=str)
def test_the_listed_denoiser_is_the_exact_one(process):
    x = noisy_sequences(process).flip(0)
    t = torch.full((len(x),), 0.3, dtype=torch.float64)
    listed, exact = (
        d(x, t, None) for d in (ListedDenoiser(process), TableDenoiser(process, CHAIN))
    )
    torch.testing.assert_close(listed.logits, exact.logits, rtol=0, atol=0)


def test_what_is_lost_to_masks_counts():
    truth = CHAIN.probabilities
    assert distance(truth * 0.9, truth) == pytest.approx(0.1, abs=1e-12)
    x = CHAIN.draw(500, torch.Generator().manual_seed(1))
    found, limit = in_floors(x, truth)
    assert 0.4 < found < limit < 2.5
    x[7, 1] = 3
    assert in_floors(x, truth)[0] == math.inf
