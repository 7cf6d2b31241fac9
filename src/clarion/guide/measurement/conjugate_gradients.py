"""Symmetric linear systems, solved by products with their matrix alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor


def conjugate_gradients(
    multiply: Callable[[Tensor], Tensor], b: Tensor, num_iterations: int
) -> Tensor:
    """Solve M x = b for each sample by itself.

    A sample is left as it is from where its residual is down to rounding, and the loop ends early
    when all are; whatever the others need, its own result is the same.

    Args:
        multiply: x -> M x, both of the shape of b; M symmetric and positive definite.
        b: (batch, *shape).
        num_iterations: at most; with exact numbers as many as M has different eigenvalues suffice.

    Source: Hestenes & Stiefel 1952, doi 10.6028/jres.049.044.
    """
    x, residual, direction = torch.zeros_like(b), b, b
    squared = _dot(residual, residual)
    rounding = (4 * torch.finfo(b.dtype).eps) ** 2 * squared
    for _ in range(num_iterations):
        is_open = squared > rounding
        if not is_open.any():
            break
        product = multiply(direction)
        # Where a sample is done, both are 0, and so is the step.
        step = torch.where(is_open, squared / _dot(direction, product).where(is_open, 1), 0)
        x = x + step * direction
        residual = residual - step * product
        new = torch.where(is_open, _dot(residual, residual), squared)
        direction = torch.where(is_open, residual + new / squared * direction, 0)
        squared = new
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each sample, (batch, 1, ..., 1)."""
    return (a * b).flatten(1).sum(1).reshape(-1, *([1] * (a.ndim - 1)))
