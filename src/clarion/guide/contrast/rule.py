"""What all rules share that contrast a better estimate with a worse one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown
from clarion.base.options import check_number
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.compose import evaluate
from clarion.guide.contrast.schedule import SHAPES, Schedule
from clarion.guide.rule import Guidance


@dataclass(frozen=True)
class Contrast(Guidance):
    """Goes from a worse estimate towards a better one, and beyond.

    The better one is that of the condition asked for; the worse one is that of the negative
    condition or, without one, of the unconditional model. A rule implements `combine`, which must
    give the better estimate at scale 1: there the worse one is not worked out.

    Args:
        guidance_scale: 1 is the better estimate, 0 the worse one.
        schedule: how the scale depends on the time, a name in `SHAPES`.
    """

    needs_condition: ClassVar[bool] = True
    asks_twice: ClassVar[bool] = True

    guidance_scale: float
    schedule: Schedule = field(default="constant", kw_only=True, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("guidance_scale", self.guidance_scale)
        if self.schedule not in SHAPES:
            raise ClarionError(describe_unknown("schedule", self.schedule, list(SHAPES)))

    def is_active_at(self, t: float) -> bool:
        return self._scale_at(t) != 1 and super().is_active_at(t)

    def scale(self, x_t: Tensor, t: Tensor, visit: Visit | None) -> float | Tensor:
        """The guidance scale w(t): a number where one is known for all, or (batch,)."""
        if self.schedule == "constant":
            return self.guidance_scale
        if visit is not None:
            return self._scale_at(visit.t)
        return 1 + (self.guidance_scale - 1) * SHAPES[self.schedule](t)

    def _scale_at(self, t: float) -> float:
        shape = SHAPES[self.schedule](torch.tensor(t, dtype=torch.float64))
        return self.guidance_scale if shape == 1 else 1 + (self.guidance_scale - 1) * float(shape)

    @abstractmethod
    def combine(
        self,
        worse: Estimate,
        better: Estimate,
        x_t: Tensor,
        t: Tensor,
        visit: Visit | None,
    ) -> Estimate:
        """The steered estimate, out of the two that it is made of; see `Guidance.steer`."""

    def estimates(
        self, denoiser: Denoiser, x_t: Tensor, t: Tensor, condition: Condition | None
    ) -> tuple[Estimate, Estimate]:
        """The worse and the better estimate, as one batch."""
        condition = given(condition)
        worse, better = evaluate(denoiser, x_t, t, condition.opposite(), condition)
        return worse, better

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        if is_number(self.scale(x_t, t, visit), 1):
            return denoiser(x_t, t, condition)
        return self.combine(*self.estimates(denoiser, x_t, t, condition), x_t, t, visit)


def is_number(scale: float | Tensor, value: float) -> bool:
    """Whether the scale is known, without a look at the device, to be this value for all."""
    return not isinstance(scale, Tensor) and scale == value


def projection(a: Tensor, onto: Tensor) -> Tensor:
    """<a, onto> / |onto|² onto: each sample's part along another, over all its elements.

    Along 0 there is none: 0.
    """
    squared = inner_product(onto, onto).clamp_min(torch.finfo(onto.dtype).tiny)
    return expand_like(inner_product(a, onto) / squared, onto) * onto


def inner_product(a: Tensor, b: Tensor) -> Tensor:
    """<a, b> of each sample, over all its elements, (batch,)."""
    return (a * b).flatten(1).sum(1)


def given(condition: Condition | None) -> Condition:
    """The condition.

    Raises:
        ClarionError: if there is none.
    """
    if condition is None:
        raise ClarionError("Classifier-free guidance needs a condition to steer towards; got none.")
    return condition
