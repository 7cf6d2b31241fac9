"""Time grids: the times at which a sampler stops on its way from noise to data.

A grid, called with a process and a number of steps N, gives N + 1 falling times in float64. The
first is where sampling starts. The last stands for the data itself, noise level 0: it is written as
the time 0 whatever the process, and only ever reached, never asked of a denoiser.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.process.gaussian import GaussianProcess


@dataclass(frozen=True)
class Grid(ABC):
    """Spacing of the times."""

    def __call__(self, process: GaussianProcess, num_steps: int) -> Tensor:
        """Times (num_steps + 1,) in float64, falling, ending in 0.

        Raises:
            ClarionError: if num_steps is below 1 or no whole number.
        """
        if isinstance(num_steps, bool) or not isinstance(num_steps, int) or num_steps < 1:
            raise ClarionError(f"num_steps must be a whole number, at least 1, got {num_steps!r}.")
        times = self.times(process, num_steps)
        return torch.cat([times, times.new_zeros(1)])

    @abstractmethod
    def times(self, process: GaussianProcess, num_steps: int) -> Tensor:
        """The `num_steps` times, float64, at which a denoiser is asked."""


def _between(start: float, end: float, num_steps: int) -> Tensor:
    return torch.linspace(start, end, num_steps, dtype=torch.float64)


def _pinned(times: Tensor, process: GaussianProcess) -> Tensor:
    """The same times with their ends put exactly on t_max and t_min.

    They are off by rounding alone, but a time of 1 + 2e-16 lies outside [0, 1], where a guidance
    interval or a network may be taken to end.
    """
    times[-1] = process.t_min
    times[0] = process.t_max  # the second, for a grid of one time starts where sampling starts
    return times


def _ends(process: GaussianProcess) -> tuple[Tensor, Tensor]:
    return (
        torch.tensor(process.t_max, dtype=torch.float64),
        torch.tensor(process.t_min, dtype=torch.float64),
    )


@dataclass(frozen=True)
class Karras(Grid):
    """Noise levels sigma / alpha uniform in their power 1 / rho.

    Source: Karras et al. 2022, arXiv 2206.00364, equation 5.
    """

    rho: float = 7.0

    def __post_init__(self) -> None:
        if not 0 < self.rho < math.inf:
            raise ClarionError(f"rho must be above 0, got {self.rho}.")

    def times(self, process: GaussianProcess, num_steps: int) -> Tensor:
        high, low = (process.noise_level(t) ** (1 / self.rho) for t in _ends(process))
        levels = _between(float(high), float(low), num_steps) ** self.rho
        return _pinned(process.time_of_noise_level(levels), process)


@dataclass(frozen=True)
class LogSNRUniform(Grid):
    """log(alpha² / sigma²) uniform. Source: Lu et al. 2022, arXiv 2206.00927, section 3.4."""

    def times(self, process: GaussianProcess, num_steps: int) -> Tensor:
        start, end = (process.log_snr(t) for t in _ends(process))
        return _pinned(process.time_of(_between(float(start), float(end), num_steps)), process)


@dataclass(frozen=True)
class TimeUniform(Grid):
    """Times uniform from t_max to t_min, both included."""

    def times(self, process: GaussianProcess, num_steps: int) -> Tensor:
        return _between(process.t_max, process.t_min, num_steps)


@dataclass(frozen=True)
class Trailing(Grid):
    """Times uniform from t_max to 0; the last step, from t_max / N to 0, is as long as any.

    Source: Lin et al. 2023, arXiv 2305.08891, table 2.
    """

    def times(self, process: GaussianProcess, num_steps: int) -> Tensor:
        return _between(process.t_max, 0.0, num_steps + 1)[:-1]
