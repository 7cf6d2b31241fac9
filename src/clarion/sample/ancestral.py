"""DDIM, DDPM, Euler and ancestral Euler: one update.

From noise level s to s' < s, with D = E[x0 | x_t] and y = x_t / alpha,

    y' = D + sqrt(s'² - c²) (y - D) / s + c z,        c = eta s' sqrt(s² - s'²) / s.

The second term goes on along the noise that is there, the third replaces part of it by fresh noise;
at each eta the noise on y' has level s'. At eta = 0 it is the Euler step of the probability flow
dy/ds = (y - D) / s; at eta = 1, c² is the variance of the posterior q(y' | y, x0), and it is DDPM's
step with the "fixed small" variance as well as k-diffusion's ancestral Euler step.

Sources: Ho et al. 2020, arXiv 2006.11239, equations 6 and 7 (DDPM); Song et al. 2021, arXiv
2010.02502, equations 12 and 16 (DDIM); Karras et al. 2022, arXiv 2206.00364, equation 4 (the flow).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise

from clarion.base.options import check_number
from clarion.sample.plan import Update
from clarion.sample.sampler import AffineSampler


def ancestral_update(level: float, next_level: float, eta: float) -> Update:
    """The update above, as weights of y, D and z."""
    noise = eta * next_level * math.sqrt(level**2 - next_level**2) / level
    keep = math.sqrt(next_level**2 - noise**2) / level
    return Update(level, next_level, keep, (1 - keep,), noise)


@dataclass(frozen=True)
class _Ancestral(AffineSampler):
    @property
    @abstractmethod
    def noise_share(self) -> float:
        """eta."""

    @property
    def order(self) -> int:
        return 1

    @property
    def is_stochastic(self) -> bool:
        return self.noise_share > 0

    def updates(self, levels: list[float]) -> list[Update]:
        return [ancestral_update(s, s_next, self.noise_share) for s, s_next in pairwise(levels)]


@dataclass(frozen=True)
class DDIMSampler(_Ancestral):
    """DDIM. One evaluation a step, order 1.

    Args:
        eta: share of the posterior's noise, in [0, 1]: 0 is deterministic, 1 is DDPM.
    """

    eta: float = 0.0

    def __post_init__(self) -> None:
        check_number("eta", self.eta, 0, 1)

    @property
    def noise_share(self) -> float:
        return self.eta


@dataclass(frozen=True)
class EulerSampler(_Ancestral):
    """Euler's method for the probability flow in the noise level. One evaluation a step, order 1.

    It is DDIM at eta = 0.
    """

    @property
    def noise_share(self) -> float:
        return 0.0


@dataclass(frozen=True)
class DDPMSampler(_Ancestral):
    """DDPM with the variance of the posterior ("fixed small"). One evaluation a step, weak order 1.

    It is DDIM at eta = 1, and so the same as `euler_ancestral` at its default.
    """

    @property
    def noise_share(self) -> float:
        return 1.0


@dataclass(frozen=True)
class EulerAncestralSampler(_Ancestral):
    """k-diffusion's ancestral Euler. One evaluation a step, weak order 1.

    Args:
        eta: share of the posterior's noise, in [0, 1]; at 1 it is DDPM.
    """

    eta: float = 1.0

    def __post_init__(self) -> None:
        check_number("eta", self.eta, 0, 1)

    @property
    def noise_share(self) -> float:
        return self.eta
