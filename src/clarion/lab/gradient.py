"""Guidance by the gradient of a reward, taken through the denoiser or not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, DenoiserWrapper, Visit
from clarion.denoise.estimate import Estimate

Reward: TypeAlias = Callable[[Tensor], Tensor]
"""Clean data (batch, *shape) -> the reward of each sample, (batch,), differentiable."""


class GradientGuided(DenoiserWrapper):
    """A denoiser steered by the gradient of a reward r: denoiser in, denoiser out.

    With y = x_t / alpha at noise level s, and D the estimate of the inner denoiser,

        D + strength w grad,    w = s² (added to the score) or 1 (added to the mean),

    where grad is either

        looking ahead   grad_y r(D(y)) = J grad r(D),   J = dD/dy = Cov(x0 | x_t) / s²
        naive           grad r(D)

    Looking ahead keeps to the directions in which the data varies, since J has no others; naive
    puts the identity in place of J, as if the data varied alike in all. On Gaussian data with a
    linear reward, looking ahead with the score is exact: the samples have the density
    p(x) exp(strength r(x)) up to its constant.

    Args:
        inner: what is steered.
        reward: r; the rewards of a batch may not depend on each other.
        strength: 0 changes nothing. Added to the score it multiplies r in the exponent above; added
            to the mean it is the length of a step along the gradient in every evaluation, however
            little noise is left.
        looks_ahead: whether the gradient is taken through the denoiser.
        added_to: "score" or "mean".

    Source: Guo, Yuan, Yang, Chen & Wang 2024, arXiv 2404.14743, definition 1, whose reward is
    -(target - gradient . x0)²; its gradient by the score is theirs by x_t, alpha times.
    """

    def __init__(
        self,
        inner: Denoiser,
        reward: Reward,
        strength: float,
        *,
        looks_ahead: bool = True,
        added_to: Literal["score", "mean"] = "score",
    ) -> None:
        super().__init__(inner)
        self.reward = reward
        self.strength = strength
        self.looks_ahead = looks_ahead
        self.added_to = added_to

    def at(self, visit: Visit) -> Denoiser:
        return self.inner.at(visit) if self.strength == 0 else self

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        with torch.enable_grad():  # the loop of a sampler keeps no gradients
            x = x_t.detach().requires_grad_()
            if self.looks_ahead:
                mean = self.inner(x, t, condition).mean
                (gradient,) = torch.autograd.grad(self.reward(mean).sum(), x)
                gradient = expand_like(self.process.alpha(t), x_t) * gradient  # by y
            else:
                mean = self.inner(x_t, t, condition).mean.detach().requires_grad_()
                (gradient,) = torch.autograd.grad(self.reward(mean).sum(), mean)
        weight = self.strength
        if self.added_to == "score":
            weight = weight * expand_like(self.process.noise_level(t), x_t) ** 2
        return Estimate(mean.detach() + weight * gradient)
