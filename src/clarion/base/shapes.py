"""Shape helpers."""

from __future__ import annotations

from torch import Tensor


def expand_like(per_sample: Tensor, x: Tensor) -> Tensor:
    """View a (batch,) tensor as (batch, 1, ..., 1), to broadcast against `x` (batch, *shape).

    A scalar tensor is returned as it is.

    Example:
        >>> import torch
        >>> expand_like(torch.ones(2), torch.zeros(2, 3, 4)).shape
        torch.Size([2, 1, 1])
    """
    if per_sample.ndim == 0:
        return per_sample
    return per_sample.reshape(-1, *([1] * (x.ndim - 1)))


def are_finite(x: Tensor) -> Tensor:
    """Whether all values of a row of (batch, ...) are finite, (batch,) bool."""
    return x.detach().isfinite().flatten(1).all(1)
