"""Rewards: functions of clean data, given by the user, and what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.guide.rule import SampleSpace

RewardFunction: TypeAlias = Callable[[Tensor, Condition | None], Tensor]
"""Clean data (batch, *shape) in data units, or tokens (batch, length) int64, and their condition ->
one number a sample, (batch,)."""

ROUNDING = 1e-3
"""Share by which a float32 reward may differ between a row alone and the same row in a batch."""


def rewards_of(fn: RewardFunction, x0: Tensor, condition: Condition | None) -> Tensor:
    """The rewards, (batch,), of x0 (batch, *shape); the device is not waited for.

    Raises:
        ClarionError: if they are not one number a sample.
    """
    rewards = fn(x0, condition)
    if not isinstance(rewards, Tensor) or rewards.shape != x0.shape[:1]:
        got = tuple(rewards.shape) if isinstance(rewards, Tensor) else repr(rewards)
        raise ClarionError(
            f"A reward must give one number a sample, shape ({len(x0)},), got {got}."
        )
    return rewards


def bind_reward(fn: RewardFunction, space: SampleSpace) -> RewardFunction:
    """The same reward of samples in model units; it may be without a gradient.

    Raises:
        ClarionError: if the reward fails on two random samples, is not one number a sample, is NaN,
            or depends on the other samples.
    """

    def bound(x0: Tensor, condition: Condition | None) -> Tensor:
        return fn(space.decode(x0), condition)

    x0, condition = probe(space)
    rows = [slice(i, i + 1) for i in range(2)]
    try:
        together = rewards_of(bound, x0, condition).detach()
        alone = torch.cat(
            [rewards_of(bound, x0[i], condition.rows(i) if condition else None) for i in rows]
        ).detach()
    except ClarionError:
        raise
    except Exception as error:
        raise ClarionError(
            f"The reward fails on samples of shape {space.shape}: {error}"
        ) from error
    if together.isnan().any():
        raise ClarionError(f"The reward must be a number, got {together.tolist()} of two samples.")
    if not torch.allclose(together.double(), alone.double(), rtol=ROUNDING, atol=1e-6):
        raise ClarionError(
            f"The reward of a sample must not depend on the others of its batch: together two "
            f"have {together.tolist()}, each alone {alone.tolist()}."
        )
    return bound


def probe(space: SampleSpace) -> tuple[Tensor, Condition | None]:
    """Two random samples in model units or tokens, and what is asked for of two."""
    generator = torch.Generator().manual_seed(0)
    x0 = space.random(2, generator)
    condition = space.condition
    if condition is not None:
        count = max((len(mask) for mask in condition.present.values()), default=1)
        condition = condition.rows(torch.tensor([0, min(1, count - 1)], device=space.device))
    return x0, condition
