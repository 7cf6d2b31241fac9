"""Guidance by the gradient of a reward, taken through the denoiser or not.

With y = x_t / alpha at noise level s, and D the estimate of the denoiser, the mean is

    D + scale w grad,    w = s² (added to the score) or 1 (added to the mean),

where grad is either

    through    grad_y r(D(y)) = J grad r(D),   J = dD/dy = Cov(x0 | x_t) / s²
    detached   grad r(D)

Through the denoiser the gradient keeps to the directions in which the data varies, since J has no
others; detached puts the identity in place of J, as if the data varied alike in all. On Gaussian
data with a linear reward, through the denoiser and added to the score is exact: the samples have
the density p(x) exp(scale r(x)) up to its constant.

Source: Guo, Yuan, Yang, Chen & Wang 2024, arXiv 2404.14743, definition 1, whose reward is
-(target - gradient . x0)²; its gradient by the score is theirs by x_t, alpha times.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.vjp import estimate_with_vjp

RewardFunction: TypeAlias = Callable[[Tensor, Condition | None], Tensor]
"""Clean data (batch, *shape) in data units, their condition -> one number a sample, (batch,)."""

Gradient: TypeAlias = Literal["through", "detached"]
AddedTo: TypeAlias = Literal["score", "mean"]

ROUNDING = 1e-3
"""Share by which a float32 reward may differ between a row alone and the same row in a batch."""

HINT = "The sampler `particles` needs no gradient."


@dataclass(frozen=True)
class Reward(Guidance):
    """Steers by the gradient of a reward of the estimate.

    Args:
        fn: the reward r, of x0 in data units and the condition; no sample's may depend on another.
        scale: 0 changes nothing. Added to the score it multiplies r in the exponent above; added to
            the mean it is the length of a step along the gradient in every evaluation, however
            little noise is left.
        gradient: "through" the denoiser, or "detached" from it.
        added_to: "score" or "mean".
    """

    fn: RewardFunction
    scale: float
    gradient: Gradient = "through"
    added_to: AddedTo = "score"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.scale):
            raise ClarionError(f"scale must be a finite number, got {self.scale}.")
        for name, allowed in (("gradient", get_args(Gradient)), ("added_to", get_args(AddedTo))):
            if getattr(self, name) not in allowed:
                known = " or ".join(map(repr, allowed))
                raise ClarionError(f"{name} must be {known}, got {getattr(self, name)!r}.")

    def values(self, x0: Tensor, condition: Condition | None) -> Tensor:
        """The rewards, (batch,), of x0 (batch, *shape), in model units once the rule is bound.

        Raises:
            ClarionError: if they are not one number a sample.
        """
        rewards = self.fn(x0, condition)
        if not isinstance(rewards, Tensor) or rewards.shape != x0.shape[:1]:
            got = tuple(rewards.shape) if isinstance(rewards, Tensor) else repr(rewards)
            raise ClarionError(
                f"A reward must give one number a sample, shape ({len(x0)},), got {got}."
            )
        if rewards.isnan().any():
            raise ClarionError(f"A reward is NaN in some of {len(x0)} samples.")
        return rewards

    def bind_values(self, space: SampleSpace) -> Self:
        """The same rule whose `values` take model units; the reward may be without a gradient.

        Raises:
            ClarionError: if the reward fails on two random samples, is not one number a sample, or
                depends on the other samples.
        """
        fn = self.fn
        bound = replace(self, fn=lambda x0, condition: fn(space.decode(x0), condition))
        x0, condition = _probe(space)
        try:
            together = bound.values(x0, condition).detach()
            rows = [slice(i, i + 1) for i in range(2)]
            alone = torch.cat(
                [bound.values(x0[i], condition.rows(i) if condition else None) for i in rows]
            ).detach()
        except ClarionError:
            raise
        except Exception as error:
            raise ClarionError(
                f"The reward fails on samples of shape {space.shape}: {error}"
            ) from error
        if not torch.allclose(together.double(), alone.double(), rtol=ROUNDING, atol=1e-6):
            raise ClarionError(
                f"The reward of a sample must not depend on the others of its batch: together two "
                f"have {together.tolist()}, each alone {alone.tolist()}."
            )
        return bound

    def bind(self, space: SampleSpace) -> Self:
        bound = self.bind_values(space)
        x0, condition = _probe(space)
        try:
            with torch.enable_grad():
                x0.requires_grad_()
                (slope,) = torch.autograd.grad(bound.values(x0, condition).sum(), x0)
        except RuntimeError as error:
            raise ClarionError(f"The reward has no gradient: {error} {HINT}") from error
        if not slope.isfinite().all():
            raise ClarionError(f"The gradient of the reward is not finite. {HINT}")
        return bound

    def is_active_at(self, t: float) -> bool:
        return self.scale != 0 and super().is_active_at(t)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        if self.gradient == "through":
            estimate, vjp = estimate_with_vjp(denoiser, x_t, t, condition)
            by_x_t = vjp(self._slope(estimate.mean, condition))
            slope = expand_like(denoiser.process.alpha(t), x_t) * by_x_t  # by y
        else:
            estimate = denoiser(x_t, t, condition)
            slope = self._slope(estimate.mean, condition)
        weight = self.scale
        if self.added_to == "score":
            weight = weight * expand_like(denoiser.process.noise_level(t), x_t) ** 2
        return Estimate(estimate.mean + weight * slope, untwisted=estimate.mean)

    def _slope(self, mean: Tensor, condition: Condition | None) -> Tensor:
        """grad r at the estimate, (batch, *shape); differentiable where the estimate is."""
        is_within = torch.is_grad_enabled() and mean.requires_grad
        with torch.enable_grad():
            x0 = mean if is_within else mean.detach().requires_grad_()
            total = self.values(x0, condition).sum()
            (slope,) = torch.autograd.grad(total, x0, create_graph=is_within)
        return slope


def _probe(space: SampleSpace) -> tuple[Tensor, Condition | None]:
    """Two random samples in model units, and what is asked for of two."""
    generator = torch.Generator().manual_seed(0)
    x0 = torch.randn(2, *space.shape, generator=generator).to(space.device)
    condition = space.condition
    if condition is not None:
        count = max((len(mask) for mask in condition.present.values()), default=1)
        condition = condition.rows(torch.tensor([0, min(1, count - 1)], device=space.device))
    return x0, condition
