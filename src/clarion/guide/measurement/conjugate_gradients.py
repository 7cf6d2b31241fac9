"""Symmetric linear systems, solved by products with their matrix alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

SLACK = 1e-3
"""Share of the bound that rounding may take off a curvature."""


def conjugate_gradients(
    multiply: Callable[[Tensor], Tensor], b: Tensor, num_iterations: int, least: float = 0.0
) -> Tensor:
    """Solve M x = b for each sample by itself.

    A sample is left as it is from where its residual is down to rounding, and the loop ends early
    when all are; whatever the others need, its own result is the same. Asking for that waits for
    the device, which costs less than a product too many, often a pass through a network. A sample
    is left, too, where M turns out to be no such matrix as was promised: steps along directions in
    which it does not curve upwards lead anywhere.

    Args:
        multiply: x -> M x, both of the shape of b; M symmetric and positive definite.
        b: (batch, *shape).
        num_iterations: at most; with exact numbers as many as M has different eigenvalues suffice.
        least: a bound that no eigenvalue of M falls below.

    Source: Hestenes & Stiefel 1952, doi 10.6028/jres.049.044.
    """
    x, residual, direction = torch.zeros_like(b), b, b
    squared = _dot(residual, residual)
    rounding = (4 * torch.finfo(b.dtype).eps) ** 2 * squared
    is_open = squared > rounding
    for _ in range(num_iterations):
        if not is_open.any():
            break
        product, length = multiply(direction), _dot(direction, direction)
        curvature = _dot(direction, product)
        is_open = is_open & (curvature > (1 - SLACK) * least * length)
        step = torch.where(is_open, squared / torch.where(is_open, curvature, 1), 0)
        x = x + step * direction
        residual = residual - step * product
        new = torch.where(is_open, _dot(residual, residual), squared)
        direction = torch.where(is_open, residual + new / squared * direction, direction)
        squared, is_open = new, is_open & (new > rounding)
    return x


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """Inner product of each sample, (batch, 1, ..., 1)."""
    return (a * b).flatten(1).sum(1).reshape(-1, *([1] * (a.ndim - 1)))
