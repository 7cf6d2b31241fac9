"""SDE-DPM-Solver++(2M): the exponential two-step method with fresh noise.

With lambda = -log s, h = lambda' - lambda, r = (last h) / h,

    y' = (s' / s) e^(-eta h) y + (1 - e^(-h - eta h)) [D0 + (D0 - D1) / (2 r)]
         + s' sqrt(1 - e^(-2 eta h)) s_noise z.

Source: Lu et al. 2022, arXiv 2211.01095, equation 19 (eta = 1); Crowson 2022, k-diffusion
(`sample_dpmpp_2m_sde` of the midpoint kind, for eta and s_noise).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from clarion.base.options import check_number
from clarion.sample.plan import Update
from clarion.sample.sampler import AffineSampler, final_update


@dataclass(frozen=True)
class DPMpp2MSDESampler(AffineSampler):
    """SDE-DPM-Solver++(2M). One evaluation a step.

    Args:
        eta: amount of fresh noise; 0 is `dpmpp_2m`, 1 the reverse diffusion.
        s_noise: scale of the fresh noise; other than 1, the variance converges to another value.
    """

    eta: float = 1.0
    s_noise: float = 1.0

    def __post_init__(self) -> None:
        check_number("eta", self.eta, 0)
        check_number("s_noise", self.s_noise, 0)

    @property
    def order(self) -> int:
        return 2

    @property
    def is_stochastic(self) -> bool:
        return self.eta > 0 and self.s_noise > 0

    def updates(self, levels: list[float]) -> list[Update]:
        updates: list[Update] = []
        last_h = None
        for s, s_next in pairwise(levels):
            if s_next == 0:
                updates.append(final_update(s))
                break
            h = math.log(s / s_next)
            gain = -math.expm1(-h - self.eta * h)
            noise = s_next * math.sqrt(-math.expm1(-2 * self.eta * h)) * self.s_noise
            extra = 0.0 if last_h is None else h / (2 * last_h)
            weights = (gain * (1 + extra), -gain * extra) if extra else (gain,)
            updates.append(Update(s, s_next, s_next / s * math.exp(-self.eta * h), weights, noise))
            last_h = h
        return updates
