"""Weights of particles, and resampling in proportion to them."""

import math

import torch

from clarion.sample.resampling import effective_number, pick, resample


def test_the_effective_number_is_that_of_equal_weights():
    """k equal weights beside others of 0 count k, whatever their size; w = 3/4, 1/4 count 1.6."""
    log_weights = torch.full((3, 4), -math.inf).double()
    log_weights[0, 1], log_weights[1, :] = -900.0, 700.0
    log_weights[2, 2:] = torch.tensor([0.75, 0.25], dtype=torch.float64).log()
    expected = torch.tensor([1.0, 4.0, 1.6], dtype=torch.float64)
    torch.testing.assert_close(effective_number(log_weights), expected, rtol=1e-12, atol=0)
    assert effective_number(torch.full((1, 4), -math.inf)).isnan().all()


def test_systematic_resampling_keeps_the_expected_numbers():
    """Of P copies a particle of weight w gets floor(P w) or one more, whatever the number drawn."""
    weights = torch.tensor([[0.5, 0.0, 0.13, 0.37], [1.0, 0.0, 0.0, 0.0]], dtype=torch.float64)
    total = torch.zeros_like(weights)
    for at in torch.linspace(0, 1, 201, dtype=torch.float64)[:-1]:
        chosen = resample(weights.log(), at.expand(2, 1))
        copies = torch.nn.functional.one_hot(chosen, 4).sum(1)
        assert ((copies >= (4 * weights).floor()) & (copies <= (4 * weights).ceil())).all()
        total += copies
    torch.testing.assert_close(total / 200, 4 * weights, rtol=0, atol=0.011)  # 2 of 200 numbers


def test_weights_of_0_are_never_picked():
    """Not at the ends either: u = 0, and the largest number below 1."""
    log_weights = torch.tensor([[-math.inf, 0.0, -math.inf, 1.0, -math.inf]])
    at = torch.tensor([[0.0, 1 - 2**-24]])
    assert pick(log_weights, at).tolist() == [[1, 3]]
