"""Choices among few things, by the inverse of their distribution function.

In float64: with 24 bits, or with Gumbel noise made of them, what is rare is chosen too seldom, as
if at a lower temperature (Zheng et al. 2024, arXiv 2409.02908, section 4).
"""

from __future__ import annotations

import torch
from torch import Tensor


def draw_choices(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """The inverse distribution function at uniform numbers.

    Args:
        probabilities: (..., choices), float64, at least 0; they need not add up to 1.
        uniform: in [0, 1), (...).

    Returns:
        Numbers of the choices, (...) int64; none of probability 0.
    """
    total = probabilities.cumsum(-1)
    found = torch.searchsorted(total, (uniform * total[..., -1]).unsqueeze(-1), right=True)
    # Where rounding would go beyond the end, the last one of a probability above 0.
    last = (total < total[..., -1:]).sum(-1, keepdim=True)
    return torch.minimum(found, last).squeeze(-1)
