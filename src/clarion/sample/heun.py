"""Heun's method for the probability flow, and EDM's stochastic sampler built on it.

With the slope d = (y - D) / s of the flow dy/ds = d, a step h = s' - s takes two stages:

    predict  y1 = y + h d(y, s),        correct  y' = y1 + h/2 (d(y1, s') - d(y, s)).

The second starts where the first ended, so no anchor has to be stored. A step to noise level 0,
where d is not defined, is the first stage alone.

EDM's sampler raises the noise level before each step, by fresh noise:

    s_hat = (1 + gamma) s,        y_hat = y + s_noise sqrt(s_hat² - s²) z.

Here that noise is merged into the stage before it. Departure: s_hat never exceeds the level at
which sampling started, since no denoiser was trained beyond it; the first step is then unraised.

Source: Karras et al. 2022, arXiv 2206.00364, algorithms 1 and 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import ClassVar

from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.sample.plan import Update
from clarion.sample.sampler import AffineSampler, final_update


def heun_step(level: float, next_level: float) -> list[Update]:
    """The two stages; an entry r = y - D of the history is s times the slope d."""
    if next_level == 0:
        return [final_update(level, uses_residuals=True)]
    h = next_level - level
    return [
        Update(level, next_level, 1.0, (h / level,)),
        Update(next_level, next_level, 1.0, (h / 2 / next_level, -h / 2 / level)),
    ]


@dataclass(frozen=True)
class HeunSampler(AffineSampler):
    """Heun's method. Two evaluations a step but one for the last, order 2.

    It wants eight steps or more from noise to data: over fewer and longer ones, the slope at the
    end of a step is far from that within it, and the error grows large. Take a multistep method.
    """

    uses_residuals: ClassVar[bool] = True

    @property
    def order(self) -> int:
        return 2

    @property
    def is_stochastic(self) -> bool:
        return False

    def updates(self, levels: list[float]) -> list[Update]:
        return [u for s, s_next in pairwise(levels) for u in heun_step(s, s_next)]


@dataclass(frozen=True)
class EDMSampler(AffineSampler):
    """EDM's stochastic sampler. Two evaluations a step but one for the last, weak order 2.

    The order is that at s_noise = 1; another value inflates the variance however small the steps.
    It is the order for what has the distribution of the data at its level: an error made before is
    drawn back by the noise with order 1.

    Args:
        s_churn: amount of fresh noise over all steps; gamma = min(s_churn / num_steps, sqrt(2) - 1)
            in each. At 0 it is Heun's method.
        s_tmin: noise is added from this noise level sigma / alpha on ...
        s_tmax: ... up to this one.
        s_noise: scale of the fresh noise; the paper takes up to 1.007, against networks that remove
            too much.
    """

    uses_residuals: ClassVar[bool] = True

    s_churn: float = 40.0
    s_tmin: float = 0.05
    s_tmax: float = 50.0
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        check_number("s_churn", self.s_churn, 0)
        check_number("s_tmin", self.s_tmin, 0)
        check_number("s_tmax", self.s_tmax, 0)
        check_number("s_noise", self.s_noise, 0)
        if self.s_tmin > self.s_tmax:
            raise ClarionError(
                f"s_tmin must not lie above s_tmax, got {self.s_tmin} and {self.s_tmax}."
            )

    @property
    def order(self) -> int:
        return 2

    @property
    def is_stochastic(self) -> bool:
        return self.s_churn > 0

    def updates(self, levels: list[float]) -> list[Update]:
        raised = [self._raise(level, levels) for level in levels[:-1]]
        raised.append(levels[-1])
        updates: list[Update] = []
        for s_hat, s_next, next_s_hat in zip(raised, levels[1:], raised[1:], strict=False):
            *first, last = heun_step(s_hat, s_next)
            noise = self.s_noise * math.sqrt(next_s_hat**2 - s_next**2)
            updates += [*first, replace(last, next_level=next_s_hat, noise=noise)]
        return updates

    def _raise(self, level: float, levels: list[float]) -> float:
        """s_hat."""
        if not self.s_tmin <= level <= self.s_tmax:
            return level
        gamma = min(self.s_churn / (len(levels) - 1), math.sqrt(2) - 1)
        return min((1 + gamma) * level, levels[0])
