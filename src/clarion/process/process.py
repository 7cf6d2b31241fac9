"""The contract of a noising process, whatever the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Self

from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.streams import SampleStreams


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
    def of_data(self, codec: Codec) -> Self:
        """The same process for data of which this was fitted.

        Raises:
            ClarionError: if they are of another kind.
        """

    @abstractmethod
    def alpha(self, t: Tensor) -> Tensor:
        """How much of the data is left at time t: its scale, or the share of tokens kept."""

    @abstractmethod
    def noise_level(self, t: Tensor) -> Tensor:
        """How noisy x_t is, rising with t: sigma / alpha, or the share of tokens lost."""

    @abstractmethod
    def noise_like(self, x0: Tensor, streams: SampleStreams | None = None) -> Tensor:
        """Random numbers as `perturb` takes them for this data.

        Args:
            x0: clean data, (batch, *shape).
            streams: one for each sample; None takes torch's random state.
        """

    @abstractmethod
    def perturb(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t, out of clean data (batch, *shape), times (batch,) and random numbers."""
