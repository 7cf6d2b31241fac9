"""The contract of a noising process, whatever the data."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor


class Process(ABC):
    """A path from data, at time 0, to noise, at time 1.

    It states the interval [t_min, t_max] on which it is trained and sampled.
    """

    @property
    @abstractmethod
    def t_min(self) -> float:
        """The time of least noise at which a denoiser is asked."""

    @property
    @abstractmethod
    def t_max(self) -> float:
        """The time of most noise: sampling starts here."""

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """How much of the data is left at time t: its scale, or the share of tokens kept."""

    @abstractmethod
    def noise_like(self, x0: Tensor) -> Tensor:
        """Random numbers as `perturb` takes them for this data, from torch's random state."""

    @abstractmethod
    def perturb(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t, out of clean data (batch, *shape), times (batch,) and random numbers."""
