"""Classifier-free guidance, with an interval outside which it rests.

mean = mean(absent) + guidance_scale (mean(condition) - mean(absent))

Sources: Ho & Salimans 2022, arXiv 2207.12598, equation 6, with guidance_scale = 1 + w, so that 1 is
the plain conditional model and 0 the unconditional one; Kynkäänniemi et al. 2024, arXiv 2404.07724
(the interval).
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.denoiser import Denoiser, DenoiserWrapper
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import Guidance

ROUNDING = 1e-6
"""How far a time may lie outside an interval: grids and float32 do not hit 0.3 exactly."""


@dataclass(frozen=True)
class CFG(Guidance):
    """Classifier-free guidance.

    A second evaluation is spent only where it changes the result: both passes run as one batch, and
    at scale 1, at scale 0 and outside the interval there is a single pass.

    Args:
        guidance_scale: 1 is the plain conditional model, 0 the unconditional one.
        t_low: guide from this time on, in [0, 1] ...
        t_high: ... up to this one; elsewhere the model is the plain conditional one.
    """

    guidance_scale: float
    t_low: float = 0.0
    t_high: float = 1.0

    def __post_init__(self) -> None:
        if not math.isfinite(self.guidance_scale):
            raise ClarionError(
                f"guidance_scale must be a finite number, got {self.guidance_scale}."
            )
        if not 0 <= self.t_low <= self.t_high <= 1:
            raise ClarionError(
                f"The guidance interval must satisfy 0 <= t_low <= t_high <= 1, "
                f"got {self.t_low} and {self.t_high}."
            )

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        return _ClassifierFree(denoiser, self)

    def is_inside(self, t: Any) -> Any:
        """Whether a time, or each of a tensor of times, lies in the interval, both ends within."""
        return (t >= self.t_low - ROUNDING) & (t <= self.t_high + ROUNDING)

    @classmethod
    def parse(cls, text: str) -> CFG:
        number = r"[-+.\deE]+|nan|inf"
        match = re.fullmatch(rf"({number})(?:@([.\d]+)-([.\d]+))?", text)
        try:
            scale, low, high = match.groups() if match else (None, None, None)
            return cls(float(scale or "none"), float(low or 0), float(high or 1))
        except ClarionError:
            raise
        except ValueError:
            raise ClarionError(
                f"Guidance 'cfg' is written cfg:SCALE or cfg:SCALE@LOW-HIGH, got 'cfg:{text}'."
            ) from None


class _ClassifierFree(DenoiserWrapper):
    def __init__(self, inner: Denoiser, rule: CFG) -> None:
        super().__init__(inner)
        self.rule = rule

    def at(self, t: float) -> Denoiser:
        inner, rule = self.inner.at(t), self.rule
        if rule.guidance_scale == 1 or not rule.is_inside(t):
            return inner
        if rule.guidance_scale == 0:
            return _Unconditional(inner)
        return _EverywhereGuided(inner, rule.guidance_scale)

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        if self.rule.guidance_scale == 1:
            return self.inner(x_t, t, condition)
        # Whether a time lies inside is not asked of the device here: that would make it wait.
        scale = torch.where(self.rule.is_inside(t), self.rule.guidance_scale, 1.0).to(x_t.dtype)
        return _extrapolate(self.inner, x_t, t, condition, scale)


class _EverywhereGuided(DenoiserWrapper):
    def __init__(self, inner: Denoiser, scale: float) -> None:
        super().__init__(inner)
        self.scale = scale

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        return _extrapolate(self.inner, x_t, t, condition, self.scale)


class _Unconditional(DenoiserWrapper):
    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        return self.inner(x_t, t, _given(condition).drop())


def _extrapolate(
    inner: Denoiser, x_t: Tensor, t: Tensor, condition: Condition | None, scale: float | Tensor
) -> Estimate:
    """Both passes as one batch, then the formula."""
    condition = _given(condition)
    both = inner(
        torch.cat([x_t, x_t]),
        torch.cat([t, t]),
        Condition.concatenate([condition.drop(), condition]),
    )
    absent, conditional = both.chunk(2)
    return Estimate.extrapolate(absent, conditional, scale)


def _given(condition: Condition | None) -> Condition:
    if condition is None:
        raise ClarionError("Classifier-free guidance needs a condition to steer towards; got none.")
    return condition
