"""Autoguidance: a model guided by a weaker version of itself.

mean = mean_weak(condition) + guidance_scale (mean(condition) - mean_weak(condition))

The weak model knows the same condition, but is smaller or less trained: what both get wrong, it
gets more wrong, and the difference points away from it.

Source: Karras et al. 2024, arXiv 2406.02507, equation 3 with the weak model for D_0.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Self

from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.compose import evaluate
from clarion.guide.contrast.cfg import CFG
from clarion.guide.contrast.rule import is_number
from clarion.guide.rule import SampleSpace


@dataclass(frozen=True)
class Autoguidance(CFG):
    """CFG's formula, with a weak model in place of the unconditional one.

    It needs no condition, and takes no notice of a negative one. Each model is asked by itself; at
    scale 1 the weak one is not asked, at scale 0 the other one is not.

    Args:
        guidance_scale: 1 is the model, 0 the weak one.
        weak: the weak model, of the same process, shape, units and conditions as the other one; it
            may lack conditions.
    """

    needs_condition: ClassVar[bool] = False
    asks_twice: ClassVar[bool] = False

    weak: Denoiser = field(repr=False)

    def __post_init__(self) -> None:
        if not isinstance(self.weak, Denoiser):
            raise ClarionError(f"weak must be a Denoiser, got {self.weak!r}.")
        super().__post_init__()

    def bind(self, space: SampleSpace) -> Self:
        space.check_knows("weak model", self.weak.data, "Take an earlier checkpoint: RUN@STEP.")
        self.weak.to(space.device)
        return self

    def estimates(
        self, denoiser: Denoiser, x_t: Tensor, t: Tensor, condition: Condition | None
    ) -> tuple[Estimate, Estimate]:
        return self._ask_weak(x_t, t, condition), denoiser(x_t, t, condition)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        if is_number(self.scale(x_t, t, visit), 0):
            return self._ask_weak(x_t, t, condition)
        return super().steer(denoiser, x_t, t, condition, visit)

    def _ask_weak(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        return evaluate(self.weak, x_t, t, condition)[0]

    @property
    def networks(self) -> Mapping[str, Denoiser]:
        return {"weak model": self.weak}
