"""Which noise levels are trained."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process
from clarion.process.tokens import TokenProcess
from clarion.run.config import LevelsConfig


def _lognormal(
    process: GaussianProcess, config: LevelsConfig, sigma_data: float, u: Tensor
) -> Tensor:
    """log(sigma / alpha / d) ~ N(mean, std²). Source: Karras et al. 2022, table 1."""
    normal = math.sqrt(2) * torch.erfinv(2 * u - 1)
    log_level = config.log_level_mean + config.log_level_std * normal + math.log(sigma_data)
    return process.time_of(-2 * log_level)


def _time_uniform(
    process: GaussianProcess, config: LevelsConfig, sigma_data: float, u: Tensor
) -> Tensor:
    return process.t_min + (process.t_max - process.t_min) * u


def _log_snr_uniform(
    process: GaussianProcess, config: LevelsConfig, sigma_data: float, u: Tensor
) -> Tensor:
    ends = torch.tensor([process.t_min, process.t_max], dtype=torch.float64)
    high, low = process.log_snr(ends).to(u)
    return process.time_of(high + (low - high) * u)


NOISE_LEVELS: NameTable[Callable[[GaussianProcess, LevelsConfig, float, Tensor], Tensor]] = (
    NameTable(
        "distribution of noise levels",
        {
            "lognormal": _lognormal,
            "time_uniform": _time_uniform,
            "log_snr_uniform": _log_snr_uniform,
        },
    )
)
"""Name -> inverse distribution function: (process, config, sigma_data, u in (0, 1)) -> times."""


class NoiseLevels:
    """The distribution of the times of a training, and of its validation.

    Args:
        config: which distribution.
        process: how the data is noised.
        sigma_data: standard deviation of the data, where they are numbers.

    Raises:
        ClarionError: for tokens, if it is not uniform in time.
    """

    def __init__(self, config: LevelsConfig, process: Process, sigma_data: float = 1.0) -> None:
        self.config, self.sigma_data = config, sigma_data
        if isinstance(process, TokenProcess) and config.levels != "time_uniform":
            raise ClarionError(
                f"levels of tokens are uniform in time, levels='time_uniform', got "
                f"{config.levels!r}."
            )
        self.process: Any = process  # whoever asks further knows the kind
        self._levels = NOISE_LEVELS[config.levels]

    def times(self, u: Tensor) -> Tensor:
        """Times at quantiles u in (0, 1) of the noise levels, within [t_min, t_max]."""
        t = self._levels(self.process, self.config, self.sigma_data, u.double())
        return t.clamp(self.process.t_min, self.process.t_max).to(u.dtype)

    def stratified_times(
        self,
        n: int,
        device: torch.device | str = "cpu",
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Random times (n,), one in each of n equally likely classes, in random order.

        Each by itself is distributed as if drawn alone; together they cover the levels evenly, so
        the mean loss of a batch varies less. Source: Kingma et al. 2021, arXiv 2107.00630, I.1.

        Args:
            n: how many.
            device: where they go.
            generator: on that device; None takes torch's random state.
        """
        cells = torch.randperm(n, device=device, generator=generator)
        u = (cells + torch.rand(n, device=device, generator=generator)) / n
        return self.times(u.clamp(1e-6, 1 - 1e-6))
