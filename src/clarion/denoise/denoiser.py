"""The contract between models and everything that uses them."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.denoise.estimate import Estimate
from clarion.denoise.known_data import KnownData
from clarion.process.process import Process


@dataclass(frozen=True, slots=True, eq=False)
class Visit:
    """A sampler's stop at one time of its way.

    Args:
        t: the time.
        next_t: the time to which the sampler goes from here, 0 for clean data; None: not known.
        memory: shared by all stops of one run through the times, and empty at its start: here a
            rule may keep what it has to remember from one stop to the next.
        faults: shared likewise: what went wrong -> for which rows, (batch,) bool; see `note`.
    """

    t: float
    next_t: float | None = None
    memory: dict[Any, Any] = field(default_factory=dict)
    faults: dict[str, Tensor] = field(default_factory=dict)

    def note(self, fault: str, rows: Tensor) -> None:
        """Remember what went wrong without waiting for the device, which a step must not.

        Where a sample is not finite in the end, the message names its faults.

        Args:
            fault: what, as part of a sentence.
            rows: where, (batch,) bool.
        """
        before = self.faults.get(fault)
        self.faults[fault] = rows if before is None else before | rows


class _Count:
    """Numbers that are counted up: torch's modules take four times as long to set an attribute."""

    __slots__ = ("gradients", "total")

    def __init__(self) -> None:
        self.total = 0
        self.gradients = 0


class Denoiser(nn.Module):
    """Maps noisy data to the expectation of the clean data: E[x0 | x_t, condition].

    A denoiser owns its process and counts its evaluations. A leaf (a network, or a formula)
    implements `estimate`; a rule that acts on another denoiser derives from `DenoiserWrapper`.

    Args:
        process: how the data was noised.

    Its `data` say which data it knows, so that another model that does not fit it can be refused;
    None: not said.
    """

    def __init__(self, process: Process) -> None:
        super().__init__()
        self.process: Any = process  # whoever asks further knows the kind
        self.data: KnownData | None = None
        self._count = _Count()

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
        if condition is not None and condition.terms:
            raise ClarionError("A weighted sum of conditions needs the rule `guide.Compose`.")
        self._count.total += x_t.shape[0]
        return self.estimate(x_t, t, condition)

    @property
    def reads_time(self) -> bool:
        """Whether its estimates depend on t, given x_t and the condition."""
        return True

    @property
    def num_evaluations(self) -> int:
        """Network evaluations so far, each sample of each batch counted."""
        return self._count.total

    @property
    def num_gradients(self) -> int:
        """Passes backwards so far, each sample counted as often as a network was asked about it.

        Those through networks that rules round this denoiser hold are among them.
        """
        return self._count.gradients

    def count_gradients(self, num_samples: int) -> None:
        """To be called by whoever takes a gradient through `forward`, or through another network.

        Args:
            num_samples: rows in all networks on the way.
        """
        self._count.gradients += num_samples

    def at(self, visit: Visit) -> Denoiser:
        """The cheapest denoiser that agrees with this one at the time of `visit`.

        A sampler asks once for each of its stops, before its loop: a rule that has no effect there
        steps out of the way here, so that no step of the loop has to look at the clock.
        """
        return self


class DenoiserWrapper(Denoiser):
    """A denoiser made out of another one; it owns no network and counts none."""

    def __init__(self, inner: Denoiser) -> None:
        super().__init__(inner.process)
        self.inner, self.data = inner, inner.data

    @abstractmethod
    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        raise NotImplementedError

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        return self.forward(x_t, t, condition)

    @property
    def num_evaluations(self) -> int:
        """Network evaluations of the denoiser within."""
        return self.inner.num_evaluations

    @property
    def num_gradients(self) -> int:
        """Passes backwards through the denoiser within."""
        return self.inner.num_gradients

    def count_gradients(self, num_samples: int) -> None:
        self.inner.count_gradients(num_samples)
