"""Time grids: the times at which a sampler stops on its way from noise to data.

A grid, called with a process and a number of steps N, gives N + 1 falling times in float64. The
first is where sampling starts. The last stands for the data itself, noise level 0: it is written as
the time 0 whatever the process, and only ever reached, never asked of a denoiser.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process


@dataclass(frozen=True)
class Grid(ABC):
    """Spacing of the times."""

    def __call__(self, process: Process, num_steps: int) -> Tensor:
        """Times (num_steps + 1,) in float64, falling, ending in 0.

        Raises:
            ClarionError: if num_steps is below 1 or no whole number.
        """
        if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 1:
            raise ClarionError(f"num_steps must be a whole number, at least 1, got {num_steps!r}.")
        times = self.times(process, num_steps)
        return torch.cat([times, times.new_zeros(1)])

    @abstractmethod
    def times(self, process: Process, num_steps: int) -> Tensor:
        """The `num_steps` times, float64, at which a denoiser is asked."""


def _between(start: float, end: float, num_steps: int) -> Tensor:
    return torch.linspace(start, end, num_steps, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class _BetweenLevels(Grid):
    """A grid that is spaced in noise level, and may stop short of the ends of the process.

    Args:
        sigma_max: noise level sigma / alpha to start from; None for that of t_max.
        sigma_min: the last noise level before 0; None for that of t_min. With few steps, those
            spent far below the detail that the data have are lost on the others.
    """

    sigma_max: float | None = None
    sigma_min: float | None = None

    def __post_init__(self) -> None:
        for name in ("sigma_max", "sigma_min"):
            level = getattr(self, name)
            if level is not None and not 0 < level < math.inf:
                raise ClarionError(f"{name} must be above 0, got {level}.")
        if self.sigma_max and self.sigma_min and self.sigma_min >= self.sigma_max:
            raise ClarionError(
                f"sigma_min must lie below sigma_max, got {self.sigma_min} and {self.sigma_max}."
            )

    def times(self, process: Process, num_steps: int) -> Tensor:
        if not isinstance(process, GaussianProcess):
            raise ClarionError(
                f"{self} is spaced in noise levels, which {process} has not; "
                f"take 'trailing' or 'time_uniform'."
            )
        start, end = process.t_max, process.t_min
        if self.sigma_max is not None:
            start = _time_of(process, "sigma_max", self.sigma_max)
        if self.sigma_min is not None:
            end = _time_of(process, "sigma_min", self.sigma_min)
        high, low = process.noise_level(torch.tensor([start, end], dtype=torch.float64)).tolist()
        times = process.time_of_noise_level(self.levels(high, low, num_steps))
        # The ends are off by rounding alone, but a time of 1 + 2e-16 lies outside [0, 1], where a
        # guidance interval or a network may be taken to end. A grid of one time is its start.
        times[-1] = end
        times[0] = start
        return times

    @abstractmethod
    def levels(self, sigma_max: float, sigma_min: float, num_steps: int) -> Tensor:
        """The noise levels, (num_steps,) float64, falling from sigma_max to sigma_min."""


def _time_of(process: GaussianProcess, name: str, level: float) -> float:
    time = float(process.time_of_noise_level(torch.tensor(level, dtype=torch.float64)))
    if not process.t_min <= time <= process.t_max:
        ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
        low, high = process.noise_level(ends).tolist()
        raise ClarionError(f"{name} must be in [{low:.4g}, {high:.4g}] for {process}, got {level}.")
    return time


@dataclass(frozen=True)
class Karras(_BetweenLevels):
    """Noise levels sigma / alpha uniform in their power 1 / rho.

    Source: Karras et al. 2022, arXiv 2206.00364, equation 5.
    """

    rho: float = 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.rho < math.inf:
            raise ClarionError(f"rho must be above 0, got {self.rho}.")

    def levels(self, sigma_max: float, sigma_min: float, num_steps: int) -> Tensor:
        power = 1 / self.rho
        return _between(sigma_max**power, sigma_min**power, num_steps) ** self.rho


@dataclass(frozen=True)
class LogSNRUniform(_BetweenLevels):
    """log(alpha² / sigma²) uniform. Source: Lu et al. 2022, arXiv 2206.00927, section 3.4."""

    def levels(self, sigma_max: float, sigma_min: float, num_steps: int) -> Tensor:
        return _between(math.log(sigma_max), math.log(sigma_min), num_steps).exp()


@dataclass(frozen=True)
class TimeUniform(Grid):
    """Times uniform from t_max to t_min, both included."""

    def times(self, process: Process, num_steps: int) -> Tensor:
        return _between(process.t_max, process.t_min, num_steps)


@dataclass(frozen=True)
class Trailing(Grid):
    """Times uniform from t_max to 0; the last step, from t_max / N to 0, is as long as any.

    With so many steps that t_max / N would lie before t_min, where no denoiser is asked, it is
    uniform from t_max to t_min.
    Source: Lin et al. 2023, arXiv 2305.08891, table 2.
    """

    def times(self, process: Process, num_steps: int) -> Tensor:
        last = max(process.t_max / num_steps, process.t_min)
        return _between(process.t_max, last, num_steps)


@dataclass(frozen=True)
class GivenLevels(Grid):
    """Noise levels that are given one by one, for as many steps.

    Args:
        levels: sigma / alpha at which a denoiser is asked, falling; within those of the process.
    """

    levels: tuple[float, ...]

    def __post_init__(self) -> None:
        falls = all(0 < low < high < math.inf for high, low in pairwise(self.levels))
        if not self.levels or not falls or not 0 < self.levels[0] < math.inf:
            raise ClarionError(f"levels must fall and be above 0, got {self.levels}.")

    @classmethod
    def of_betas(cls, betas: Sequence[float], input_scale: float = 1.0) -> GivenLevels:
        """Those of a variance-preserving chain: level_k² = 1 / prod_{i <= k} (1 - beta_i) - 1.

        Args:
            betas: of the steps, that next to the data first, each in (0, 1).
            input_scale: as that of the process `VPLinear`.

        Source: Ho et al. 2020, arXiv 2006.11239, equation 4.

        Example:
            >>> [round(level, 6) for level in GivenLevels.of_betas([0.2, 0.75]).levels]
            [2.0, 0.5]
        """
        if not all(0 < beta < 1 for beta in betas):
            raise ClarionError(f"betas must be in (0, 1), got {tuple(betas)}.")
        integrals = accumulate(-math.log1p(-beta) for beta in betas)
        levels = [math.sqrt(math.expm1(integral)) / input_scale for integral in integrals]
        return cls(tuple(reversed(levels)))

    def times(self, process: Process, num_steps: int) -> Tensor:
        if num_steps != len(self.levels):
            raise ClarionError(
                f"num_steps must be {len(self.levels)}, as many as levels are given, got "
                f"{num_steps}."
            )
        if not isinstance(process, GaussianProcess):
            raise ClarionError(f"levels of noise are given, which {process} has not.")
        times = [_time_of(process, "A level", level) for level in self.levels]
        return torch.tensor(times, dtype=torch.float64)
