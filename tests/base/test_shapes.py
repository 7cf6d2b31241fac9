"""Broadcasting of what each sample has one of."""

import math

import torch

from clarion.base.shapes import are_finite, expand_like


def test_expand_like():
    per_sample = torch.tensor([2.0, 3.0])
    for shape in ((2,), (2, 1), (2, 5), (2, 3, 4, 5)):
        scaled = expand_like(per_sample, torch.ones(shape)) * torch.ones(shape)
        assert scaled.shape == shape
        assert torch.equal(scaled[0], torch.full(shape[1:], 2.0))
        assert torch.equal(scaled[1], torch.full(shape[1:], 3.0))


def test_a_scalar_stays_one():
    assert expand_like(torch.tensor(2.0), torch.ones(2, 3)).ndim == 0


def test_one_bad_value_makes_a_row_not_finite():
    x = torch.ones(4, 2, 3, requires_grad=True) * torch.tensor([1, 1, math.inf, 0]).reshape(4, 1, 1)
    x[0, 1, 2] = math.nan
    assert are_finite(x).tolist() == [False, True, False, True]
