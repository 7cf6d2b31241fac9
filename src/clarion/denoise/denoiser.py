"""The contract between models and everything that uses them."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.denoise.estimate import Estimate
from clarion.process.gaussian import GaussianProcess


class _Count:
    """A number that is counted up: torch's modules take four times as long to set an attribute."""

    __slots__ = ("total",)

    def __init__(self) -> None:
        self.total = 0


class Denoiser(nn.Module):
    """Maps noisy data to the expectation of the clean data: E[x0 | x_t, condition].

    A denoiser owns its process and counts its evaluations. A leaf (a network, or a formula)
    implements `estimate`; a rule that acts on another denoiser derives from `DenoiserWrapper`.

    Args:
        process: how the data was noised.
    """

    def __init__(self, process: GaussianProcess) -> None:
        super().__init__()
        self.process = process
        self._evaluations = _Count()

    @abstractmethod
    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        """The estimate itself; see `forward`."""
        raise NotImplementedError

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        """Estimate the clean data.

        Args:
            x_t: noisy data, (batch, *shape).
            t: times in [process.t_min, process.t_max], (batch,).
            condition: what is known of each sample; None where nothing is.
        """
        self._evaluations.total += x_t.shape[0]
        return self.estimate(x_t, t, condition)

    @property
    def num_evaluations(self) -> int:
        """Network evaluations so far, each sample of each batch counted."""
        return self._evaluations.total

    def at(self, t: float) -> Denoiser:
        """The cheapest denoiser that agrees with this one at time `t`.

        A sampler asks once for each of its times, before its loop: a rule that has no effect at `t`
        steps out of the way here, so that no step of the loop has to look at the clock.
        """
        return self


class DenoiserWrapper(Denoiser):
    """A denoiser made out of another one; it owns no network and counts none."""

    def __init__(self, inner: Denoiser) -> None:
        super().__init__(inner.process)
        self.inner = inner

    @abstractmethod
    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        raise NotImplementedError

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        return self.forward(x_t, t, condition)

    @property
    def num_evaluations(self) -> int:
        """Network evaluations of the denoiser within."""
        return self.inner.num_evaluations
