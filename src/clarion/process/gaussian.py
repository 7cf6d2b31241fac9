"""Gaussian processes: x_t = alpha(t) x0 + sigma(t) noise.

Time runs from 0 (data) to 1 (noise). Each process states the interval [t_min, t_max] on which it is
trained and sampled; outside it the signal-to-noise ratio may be infinite or zero. On that interval
log_snr(t) = log(alpha² / sigma²) falls strictly.

Every function of time takes a tensor of any shape and returns one of the same shape and type.

Sources: Song et al. 2021, arXiv 2011.13456 (VP linear, VE); Nichol & Dhariwal 2021, arXiv
2102.09672, and Kingma et al. 2021, arXiv 2107.00630 (VP cosine); Karras et al. 2022, arXiv
2206.00364, equation 5 (EDM); Liu et al. 2022, arXiv 2209.03003, and Lipman et al. 2023, arXiv
2210.02747 (straight flow).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Self

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError
from clarion.base.shapes import expand_like
from clarion.base.streams import SampleStreams
from clarion.base.vocabulary import Vocabulary
from clarion.process.process import Process


@dataclass(frozen=True)
class GaussianProcess(Process):
    """A path from data to Gaussian noise, x_t = alpha(t) x0 + sigma(t) noise."""

    def of_data(self, codec: Codec) -> Self:
        if isinstance(codec, Vocabulary):
            raise ClarionError(
                f"{self} is of numbers, and the data are tokens: take 'masking', say."
            )
        return self

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """Scale of the data at time t."""

    @abstractmethod
    def sigma(self, t: Tensor) -> Tensor:
        """Standard deviation of the noise at time t."""

    @abstractmethod
    def time_of(self, log_snr: Tensor) -> Tensor:
        """The time at which log(alpha² / sigma²) has this value: the inverse of `log_snr`."""

    def log_snr(self, t: Tensor) -> Tensor:
        """Logarithm of the signal-to-noise ratio alpha² / sigma²."""
        return 2 * (self.alpha(t).log() - self.sigma(t).log())

    def noise_level(self, t: Tensor) -> Tensor:
        """sigma / alpha: standard deviation of the noise on x_t / alpha."""
        return torch.exp(-self.log_snr(t) / 2)

    def time_of_noise_level(self, noise_level: Tensor) -> Tensor:
        """The time at which sigma / alpha has this value: the inverse of `noise_level`."""
        return self.time_of(-2 * noise_level.log())

    def noise_like(self, x0: Tensor, streams: SampleStreams | None = None) -> Tensor:
        """Standard normal numbers."""
        if streams is None:
            return torch.randn_like(x0)
        return streams.normal(x0.shape[1:], device=x0.device)

    def perturb(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t = alpha(t) x0 + sigma(t) noise.

        Args:
            x0: clean data, (batch, *shape).
            t: times, (batch,) or a scalar tensor.
            noise: standard normal numbers, (batch, *shape).
        """
        return expand_like(self.alpha(t), x0) * x0 + expand_like(self.sigma(t), x0) * noise


@dataclass(frozen=True)
class VPLinear(GaussianProcess):
    """Variance preserving, beta rising linearly; the continuous form of DDPM's schedule.

    B = beta_min t + (beta_max - beta_min) t² / 2, alpha = input_scale exp(-B / 2),
    sigma² = 1 - exp(-B).

    T steps whose beta_k rises from beta_1 to beta_T, with alpha² = prod_k (1 - beta_k), are that of
    beta_min = T beta_1 and beta_max = T beta_T, the more exactly the more steps.

    Args:
        beta_min: rate of noising at t = 0.
        beta_max: the same at t = 1.
        t_min: the least time.
        t_max: the greatest.
        input_scale: deviation of the data that a schedule was made for, where it is not 1.

    Sources: Song et al. 2021, arXiv 2011.13456, equation 32 and appendix B; t_min is their sampling
    epsilon. Chen 2023, arXiv 2301.10972, strategy 2 (input_scale).
    """

    beta_min: float = 0.1
    beta_max: float = 20.0
    t_min: float = 1e-3  # pyright: ignore[reportIncompatibleMethodOverride]
    t_max: float = 1.0  # pyright: ignore[reportIncompatibleMethodOverride]
    input_scale: float = field(default=1.0, metadata={"optional": True})

    def __post_init__(self) -> None:
        _check_positive(input_scale=self.input_scale)
        _check_order(beta_min=self.beta_min, beta_max=self.beta_max)
        _check_order(t_min=self.t_min, t_max=self.t_max)
        _check_positive(t_min=self.t_min)  # at t = 0 there is no noise to remove
        if self.beta_min < 0:
            raise ClarionError(f"beta_min must be at least 0, got {self.beta_min}.")
        if self.t_max > 1:
            raise ClarionError(f"t_max must be at most 1, got {self.t_max}.")

    def alpha(self, t: Tensor) -> Tensor:
        return self.input_scale * torch.exp(-self._integral_of_beta(t) / 2)

    def sigma(self, t: Tensor) -> Tensor:
        # 1 - exp(-B) cancels near t = 0; expm1 keeps every digit.
        return torch.sqrt(-torch.expm1(-self._integral_of_beta(t)))

    def time_of(self, log_snr: Tensor) -> Tensor:
        # exp(-B) = sigmoid(log_snr) at input_scale 1, so B is softplus(-log_snr).
        # torch's default threshold, 20, would drop the last digits of what is mostly noise.
        integral = F.softplus(2 * math.log(self.input_scale) - log_snr, threshold=40)
        slope = self.beta_max - self.beta_min
        # The stable root of slope t²/2 + beta_min t - integral = 0.
        return 2 * integral / (self.beta_min + torch.sqrt(self.beta_min**2 + 2 * slope * integral))

    def _integral_of_beta(self, t: Tensor) -> Tensor:
        return t * (self.beta_min + (self.beta_max - self.beta_min) / 2 * t)


@dataclass(frozen=True)
class _BoundedByLogSNR(GaussianProcess):
    """A process whose ends are given as log-SNR, since its own ends 0 and 1 are infinite."""

    log_snr_min: float = -12.0
    log_snr_max: float = 12.0

    def __post_init__(self) -> None:
        _check_order(log_snr_min=self.log_snr_min, log_snr_max=self.log_snr_max)

    @property
    def t_min(self) -> float:
        return float(self.time_of(torch.tensor(self.log_snr_max, dtype=torch.float64)))

    @property
    def t_max(self) -> float:
        return float(self.time_of(torch.tensor(self.log_snr_min, dtype=torch.float64)))


@dataclass(frozen=True)
class VPCosine(_BoundedByLogSNR):
    """Variance preserving, alpha = cos(pi t / 2), sigma = sin(pi t / 2).

    Departure from Nichol & Dhariwal: no offset 0.008 and no clipped beta; the ends are cut in
    log-SNR instead, as in Kingma et al. 2021.
    """

    def alpha(self, t: Tensor) -> Tensor:
        return torch.cos(math.pi / 2 * t)

    def sigma(self, t: Tensor) -> Tensor:
        return torch.sin(math.pi / 2 * t)

    def time_of(self, log_snr: Tensor) -> Tensor:
        return 2 / math.pi * torch.atan(torch.exp(-log_snr / 2))


@dataclass(frozen=True)
class Flow(_BoundedByLogSNR):
    """The straight path of flow matching and rectified flow: alpha = 1 - t, sigma = t."""

    def alpha(self, t: Tensor) -> Tensor:
        return 1 - t

    def sigma(self, t: Tensor) -> Tensor:
        return t

    def time_of(self, log_snr: Tensor) -> Tensor:
        return torch.sigmoid(-log_snr / 2)


@dataclass(frozen=True)
class _ExplodingProcess(GaussianProcess):
    """alpha = 1: noise is added, the data is not scaled. Times 0 and 1 are sigma_min, sigma_max."""

    sigma_min: float = 0.002
    sigma_max: float = 80.0

    def __post_init__(self) -> None:
        _check_positive(sigma_min=self.sigma_min)
        _check_order(sigma_min=self.sigma_min, sigma_max=self.sigma_max)

    @property
    def t_min(self) -> float:
        return 0.0

    @property
    def t_max(self) -> float:
        return 1.0

    def alpha(self, t: Tensor) -> Tensor:
        return torch.ones_like(t)


@dataclass(frozen=True)
class VE(_ExplodingProcess):
    """Variance exploding, sigma = sigma_min (sigma_max / sigma_min)^t: the process of NCSN.

    Source: Song et al. 2021, arXiv 2011.13456, equation 30. The data is taken to have unit
    variance, so the defaults are half of those printed for data in [0, 1] of deviation 0.25.
    """

    sigma_min: float = 0.01
    sigma_max: float = 100.0

    def sigma(self, t: Tensor) -> Tensor:
        return self.sigma_min * torch.exp(math.log(self.sigma_max / self.sigma_min) * t)

    def time_of(self, log_snr: Tensor) -> Tensor:
        log_ratio = math.log(self.sigma_max / self.sigma_min)
        return (-log_snr / 2 - math.log(self.sigma_min)) / log_ratio


@dataclass(frozen=True)
class EDM(_ExplodingProcess):
    """Variance exploding with times warped by a power, so that time-uniform is the Karras grid.

    sigma = (sigma_min^(1/rho) + t (sigma_max^(1/rho) - sigma_min^(1/rho)))^rho.
    Source: Karras et al. 2022, arXiv 2206.00364, equation 5.
    """

    rho: float = 7.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_positive(rho=self.rho)

    def sigma(self, t: Tensor) -> Tensor:
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (low + t * (high - low)) ** self.rho

    def time_of(self, log_snr: Tensor) -> Tensor:
        low, high = self.sigma_min ** (1 / self.rho), self.sigma_max ** (1 / self.rho)
        return (torch.exp(-log_snr / (2 * self.rho)) - low) / (high - low)


def _check_order(**bounds: float) -> None:
    """Refuse bounds that are not finite with low < high."""
    (low_name, low), (high_name, high) = bounds.items()
    if not -math.inf < low < high < math.inf:
        raise ClarionError(
            f"{low_name} must lie below {high_name}, both finite, got {low} and {high}."
        )


def _check_positive(**values: float) -> None:
    for name, value in values.items():
        if not 0 < value < math.inf:
            raise ClarionError(f"{name} must be above 0 and finite, got {value}.")
