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

from dataclasses import dataclass, field, replace
from typing import ClassVar, Literal, Self, TypeAlias, get_args

from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.gradient.reward_function import (
    RewardFunction,
    bind_reward,
    rewards_of,
    slope_of,
)
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.trial import name_of, try_gradient
from clarion.guide.vjp import estimate_with_vjp

Gradient: TypeAlias = Literal["through", "detached"]
AddedTo: TypeAlias = Literal["score", "mean"]

HINT = (
    "The sampler `particles` needs no gradient: ParticleSampler(fn, scale, num), as typed "
    "particles:FILE.py#FUNCTION:SCALE:NUM."
)


@dataclass(frozen=True)
class Reward(Guidance):
    """Steers by the gradient of a reward of the estimate.

    Under the sampler `particles` it must be the last rule: see there.

    Args:
        fn: the reward r, of x0 in data units and the condition; no sample's may depend on another.
        scale: 0 changes nothing. Added to the score it multiplies r in the exponent above; added to
            the mean it is the length of a step along the gradient in every evaluation, however
            little noise is left.
        gradient: "through" the denoiser, or "detached" from it.
        added_to: "score" or "mean".
    """

    twists: ClassVar[bool] = True

    fn: RewardFunction = field(metadata={"form": "FILE.py#FUNCTION"})
    scale: float
    gradient: Gradient = "through"
    added_to: AddedTo = "score"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("scale", self.scale)
        for name, allowed in (("gradient", get_args(Gradient)), ("added_to", get_args(AddedTo))):
            if getattr(self, name) not in allowed:
                known = " or ".join(map(repr, allowed))
                raise ClarionError(f"{name} must be {known}, got {getattr(self, name)!r}.")

    def bind(self, space: SampleSpace) -> Self:
        fn = bind_reward(self.fn, self.scale, space)
        what = f"reward {name_of(fn)}"
        try_gradient(what, lambda x0, condition: rewards_of(fn, x0, condition), space, HINT)
        return replace(self, fn=fn)

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
            by_x_t = vjp(slope_of(self.fn, estimate.mean, condition, visit))
            slope = expand_like(denoiser.process.alpha(t), x_t) * by_x_t  # by y
        else:
            estimate = denoiser(x_t, t, condition)
            slope = slope_of(self.fn, estimate.mean, condition, visit)
        weight = self.scale
        if self.added_to == "score":
            weight = weight * expand_like(denoiser.process.noise_level(t), x_t) ** 2
        return Estimate(estimate.mean + weight * slope, untwisted=estimate.mean)
