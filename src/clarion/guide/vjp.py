"""An estimate, and the gradients of functions of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate

VJP: TypeAlias = Callable[[Tensor], Tensor]
"""v (batch, *shape) -> vᵀ d mean / d x_t, (batch, *shape)."""


def estimate_with_vjp(
    denoiser: Denoiser, x_t: Tensor, t: Tensor, condition: Condition | None
) -> tuple[Estimate, VJP]:
    """The estimate, and its vector-Jacobian product by x_t.

    Since d mean / d x_t = alpha / sigma² Cov(x0 | x_t) for an exact denoiser, the Jacobian is
    symmetric there, and one product is one with the covariance. The graph of one evaluation is
    kept while the product is in use, so memory grows with the batch and not with the steps. Where
    x_t itself is to be differentiated (a rule round another), so is all that is returned.

    Source of the identity: Robbins 1956; in the form of Meng et al. 2021, arXiv 2111.04726,
    theorem 1.
    """
    is_within = torch.is_grad_enabled() and x_t.requires_grad
    with torch.enable_grad():  # the loop of a sampler keeps no gradients
        x = x_t if is_within else x_t.detach().requires_grad_()
        before = denoiser.num_evaluations
        mean = denoiser(x, t, condition).mean
        num_asked = denoiser.num_evaluations - before  # rules within may ask about a row twice

    def vjp(v: Tensor) -> Tensor:
        denoiser.count_gradients(num_asked)
        (product,) = torch.autograd.grad(mean, x, v, retain_graph=True, create_graph=is_within)
        return product

    return Estimate(mean if is_within else mean.detach()), vjp
