"""Broadcasting of what each sample has one of."""

import torch

from clarion.base.shapes import expand_like


def test_expand_like():
    per_sample = torch.tensor([2.0, 3.0])
    for shape in ((2,), (2, 1), (2, 5), (2, 3, 4, 5)):
        scaled = expand_like(per_sample, torch.ones(shape)) * torch.ones(shape)
        assert scaled.shape == shape
        assert torch.equal(scaled[0], torch.full(shape[1:], 2.0))
        assert torch.equal(scaled[1], torch.full(shape[1:], 3.0))


def test_a_scalar_stays_one():
    assert expand_like(torch.tensor(2.0), torch.ones(2, 3)).ndim == 0
