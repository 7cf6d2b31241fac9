"""Rewards: functions of clean data, given by the user, and what is asked of them."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.shapes import are_finite, expand_like
from clarion.denoise.denoiser import Visit
from clarion.guide.rule import SampleSpace
from clarion.guide.trial import describe, kind_of, name_of, try_values

RewardFunction: TypeAlias = Callable[[Tensor, Condition | None], Tensor]
"""Clean data (batch, *shape) in data units, or tokens (batch, length) int64, and their condition ->
one number a sample, (batch,)."""


def rewards_of(fn: RewardFunction, x0: Tensor, condition: Condition | None) -> Tensor:
    """The rewards, (batch,), of x0 (batch, *shape); the device is not waited for.

    Raises:
        ClarionError: if it fails, or they are not one number a sample.
    """
    try:
        rewards = fn(x0, condition)
    except ClarionError:
        raise
    except Exception as error:
        raise ClarionError(
            f"The reward {name_of(fn)} fails on samples of shape {tuple(x0.shape[1:])}: "
            f"{describe(error)}"
        ) from error
    if not isinstance(rewards, Tensor) or rewards.shape != x0.shape[:1]:
        got = tuple(rewards.shape) if isinstance(rewards, Tensor) else kind_of(rewards)
        raise ClarionError(
            f"The reward {name_of(fn)} must give one number a sample, shape ({len(x0)},), got "
            f"{got}."
        )
    return rewards


def slope_of(
    fn: RewardFunction, x0: Tensor, condition: Condition | None, visit: Visit | None
) -> Tensor:
    """grad r at x0, (batch, *shape); differentiable where x0 is.

    NaN where r is NaN or the gradient not finite, so that no sample then looks sound.
    """
    is_within = torch.is_grad_enabled() and x0.requires_grad
    with torch.enable_grad():
        place = x0 if is_within else x0.detach().requires_grad_()
        rewards = rewards_of(fn, place, condition)
        (slope,) = torch.autograd.grad(rewards.sum(), place, create_graph=is_within)
    is_broken = rewards.detach().isnan() | ~are_finite(slope)
    if visit is not None:
        visit.note("the reward is NaN or its gradient not finite", is_broken & are_finite(x0))
    return slope.masked_fill(expand_like(is_broken, slope), math.nan)


def bind_reward(fn: RewardFunction, scale: float, space: SampleSpace) -> RewardFunction:
    """The same reward of samples in model units; it may be without a gradient.

    Args:
        fn: of samples in data units.
        scale: factor of the reward in the exponent of a density.
        space: of the samples.

    Raises:
        ClarionError: if the reward fails on two random samples, is not one number a sample, is NaN
            or infinite (but where exp(scale reward) is 0, which forbids a sample), is random, or
            depends on the other samples.
    """

    @functools.wraps(fn, updated=())
    def bound(x0: Tensor, condition: Condition | None) -> Tensor:
        return fn(space.decode(x0), condition)

    what = f"reward {name_of(fn)}"
    rewards = try_values(what, lambda x0, condition: rewards_of(bound, x0, condition), space)
    if (rewards * scale == math.inf).any():
        raise ClarionError(
            f"The {what} must be finite, got {rewards.tolist()} of two random samples; with scale "
            f"{scale:g} only {'-' if scale > 0 else ''}infinity can be used, to forbid a sample."
        )
    return bound
