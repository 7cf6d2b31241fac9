"""What all rules share that contrast a better estimate with a worse one."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.compose import evaluate
from clarion.guide.rule import Guidance


@dataclass(frozen=True)
class Contrast(Guidance):
    """Goes from a worse estimate towards a better one, and beyond.

    The better one is that of the condition asked for; the worse one is that of the negative
    condition or, without one, of the unconditional model. A rule implements `combine`.

    Args:
        guidance_scale: 1 is the better estimate, 0 the worse one.
    """

    needs_condition: ClassVar[bool] = True

    guidance_scale: float

    def __post_init__(self) -> None:
        super().__post_init__()
        if not math.isfinite(self.guidance_scale):
            raise ClarionError(
                f"guidance_scale must be a finite number, got {self.guidance_scale}."
            )

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
        return self.combine(*self.estimates(denoiser, x_t, t, condition), x_t, t, visit)


def given(condition: Condition | None) -> Condition:
    """The condition.

    Raises:
        ClarionError: if there is none.
    """
    if condition is None:
        raise ClarionError("Classifier-free guidance needs a condition to steer towards; got none.")
    return condition
