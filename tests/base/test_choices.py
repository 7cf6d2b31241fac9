"""Choices by the inverse distribution function."""

import torch

from clarion.base.choices import draw_choices

DOUBLE = torch.float64


def test_what_is_rare_is_chosen_as_seldom_as_it_should_be():
    """A probability of 1e-9 is reached by the numbers below 1e-9 alone, which float32 has not."""
    p = torch.tensor([1e-9, 1 - 1e-9], dtype=DOUBLE).expand(3, 2)
    uniform = torch.tensor([0.5e-9, 2e-9, 1 - 2**-53], dtype=DOUBLE)
    assert draw_choices(p, uniform).tolist() == [0, 1, 1]
    zeros = torch.tensor([0.0, 0.3, 0.7, 0.0], dtype=DOUBLE).expand(2, 4)
    assert draw_choices(zeros, torch.tensor([0.0, 1 - 2**-53], dtype=DOUBLE)).tolist() == [1, 2]
