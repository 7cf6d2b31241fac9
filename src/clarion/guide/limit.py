"""Limits on the estimate of the clean data, in data units.

Neither is part of the model: what lies outside may well be right, as a mean of x0 far from the
data's edge is not. They hide what a large guidance scale does, and are on only where asked for.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field, replace
from typing import Self

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.base.shapes import expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import Guidance, SampleSpace


@dataclass(frozen=True)
class _Limit(Guidance):
    low: float = 0.0
    high: float = 1.0
    space: SampleSpace | None = field(
        default=None, kw_only=True, repr=False, compare=False, metadata={"typed": False}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("low", self.low)
        check_number("high", self.high)
        if not self.low < self.high:
            raise ClarionError(f"low must lie below high, got {self.low} and {self.high}.")

    @abstractmethod
    def limit(self, data: Tensor) -> Tensor:
        """The data within its range, (batch, *shape)."""

    def bind(self, space: SampleSpace) -> Self:
        return replace(self, space=space)

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        mean = denoiser(x_t, t, condition).mean
        if self.space is None:
            return Estimate(self.limit(mean))
        return Estimate(self.space.encode(self.limit(self.space.decode(mean))))


@dataclass(frozen=True)
class Clip(_Limit):
    """Moves each value of the estimate to the nearest in [low, high].

    Args:
        low: smallest value of the data, in data units.
        high: largest one.

    Source: Ho et al. 2020, arXiv 2006.11239, in their code; Saharia et al. 2022, arXiv 2205.11487,
    section 2.3 ("static thresholding").
    """

    def limit(self, data: Tensor) -> Tensor:
        return data.clamp(self.low, self.high)


@dataclass(frozen=True)
class DynamicThreshold(_Limit):
    """Clips the estimate of each sample at a percentile of its own, and shrinks it to the range.

    With z = 2 (x - low) / (high - low) - 1, which is in [-1, 1] for x in the range, and q the
    percentile of |z| over the sample's values,

        z <- clip(z, -q, q) / q    where q > 1, and z as it is elsewhere.

    Args:
        percentile: in (0, 100].
        low: smallest value of the data, in data units.
        high: largest one.

    Source: Saharia et al. 2022, arXiv 2205.11487, section 2.3.
    """

    percentile: float = field(default=99.5, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("percentile", self.percentile, 0, 100, excludes_low=True)

    def limit(self, data: Tensor) -> Tensor:
        centre, half = (self.low + self.high) / 2, (self.high - self.low) / 2
        z = (data - centre) / half
        # Sorted, since torch.quantile refuses large samples; between two ranks it is linear.
        ranked = z.flatten(1).abs().sort(1).values
        rank = self.percentile / 100 * (ranked.shape[1] - 1)
        below, above = ranked[:, math.floor(rank)], ranked[:, math.ceil(rank)]
        q = expand_like(torch.lerp(below, above, rank % 1).clamp(min=1), z)
        return centre + half * z.clamp(-q, q) / q
