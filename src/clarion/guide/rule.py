"""The contract of a guidance rule."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import Condition, ConditionSpec
from clarion.base.errors import ClarionError
from clarion.base.options import check_number
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import Denoiser, DenoiserWrapper, Visit
from clarion.denoise.estimate import Estimate
from clarion.denoise.known_data import KnownData
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process

ROUNDING = 1e-6
"""How far a time may lie outside an interval: grids and float32 do not hit 0.3 exactly."""


@dataclass(frozen=True)
class SampleSpace:
    """What a rule may have to know of the samples that it shall steer.

    Args:
        shape: of one sample.
        codec: between data units, in which people state masks and rewards, and those of the
            model; None where they are the same.
        device: where the samples will be.
        condition: what is asked for, a row for each sample, on that device; None where nothing is.
        spec: what may be asked for; empty where that is not known.
    """

    shape: tuple[int, ...]
    codec: Codec | None = None
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    condition: Condition | None = None
    spec: ConditionSpec = field(default_factory=dict)

    def check_knows(self, whose: str, data: KnownData | None, hint: str = "") -> None:
        """Refuse a further network that knows other data: what it says would mean nothing here.

        Args:
            whose: name of that network, such as "classifier".
            data: what it knows; None passes.
            hint: a sentence on what to do.
        """
        if data is None:
            return
        if data.shape != self.shape:
            raise _misfit(whose, "shape", data.shape, self.shape, hint)
        if self.codec is not None and data.codec != self.codec:
            raise _misfit(whose, self.codec.called, data.codec, self.codec, hint)
        for name, entry in data.spec.items():
            is_given = self.condition is None or name in self.condition.values
            models = self.spec.get(name, entry if is_given and not self.spec else None)
            if not entry.means_the_same_as(models):
                raise _misfit(whose, f"condition {name!r}", entry, models or "none", hint)

    def encode(self, data: Tensor) -> Tensor:
        """Data units to model units, (batch, *shape)."""
        return data if self.codec is None else self.codec.encode(data)

    def decode(self, x0: Tensor) -> Tensor:
        """Model units to data units, (batch, *shape)."""
        return x0 if self.codec is None else self.codec.decode(x0)

    def random(self, n: int, generator: torch.Generator) -> Tensor:
        """Random samples (n, *shape) in model units, to try functions of samples on."""
        shape = (n, *self.shape)
        if self.codec is None:
            return torch.randn(shape, generator=generator).to(self.device)
        return self.codec.random(shape, generator).to(self.device)


@dataclass(frozen=True)
class Guidance(ABC):
    """A rule that turns a denoiser into a steered one; composing rules is nesting the calls.

    A rule implements `steer`. It acts on each sample by itself: no result depends on who else is in
    the batch.

    Args:
        t_low: steer from this time on, in [0, 1] ...
        t_high: ... up to this one, both ends within; elsewhere the denoiser is left as it is.
    """

    serves: ClassVar[tuple[type[Process], ...]] = (GaussianProcess,)
    """The kinds of processes whose denoisers it can steer."""

    needs_condition: ClassVar[bool] = False
    """Whether it has nothing to steer by where all conditions are absent."""

    twists: ClassVar[bool] = False
    """Whether its estimates hold `untwisted`, by which a sampler may correct for the steering."""

    asks_twice: ClassVar[bool] = False
    """Whether it asks what it steers about a condition and its opposite, both in one batch."""

    t_low: float = field(default=0.0, kw_only=True)
    t_high: float = field(default=1.0, kw_only=True)
    _evaluations_before: int = field(default=0, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_evaluations_before", self._evaluations())
        check_number("t_low", self.t_low)
        check_number("t_high", self.t_high)
        if not 0 <= self.t_low <= self.t_high <= 1:
            raise ClarionError(
                f"The guidance interval must satisfy 0 <= t_low <= t_high <= 1, "
                f"got {self.t_low} and {self.t_high}."
            )

    def __call__(self, denoiser: Denoiser) -> Denoiser:
        """The steered denoiser.

        Raises:
            ClarionError: if the rule does not serve its process, or asks a network of another one,
                or would ask a rule within that remembers rows about others than those of the stop
                before.
        """
        process = denoiser.process
        if not isinstance(process, self.serves):
            kinds = " and ".join(kind.__name__ for kind in self.serves)
            raise ClarionError(
                f"{self} cannot steer a model of {process}; it steers those of {kinds}."
            )
        for name, network in self.networks.items():
            if network.process != process:
                raise _misfit(name, "process", network.process, process, "")
        for rule in rules_round(denoiser) if self.asks_twice else ():
            if rule is not None and rule.remembers and self.overlaps(rule):
                other_order = "" if self.remembers else "name it last, "
                raise ClarionError(
                    f"The rule {type(rule).__name__} remembers each row from step to step, and "
                    f"{type(self).__name__} round it asks for other rows: {other_order}leave one "
                    "of them out, or keep their intervals apart, as in cfg:2@0.2-0.5."
                )
        return Steered(denoiser, self)

    @abstractmethod
    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        """The steered estimate.

        Args:
            denoiser: what is steered.
            x_t: noisy data, (batch, *shape).
            t: times in [t_min, t_max], (batch,).
            condition: what is asked for.
            visit: where a sampler is on its way, the same for the whole batch, with a memory of
                this rule's own; None where the rule is called by itself.
        """

    def is_active_at(self, t: float) -> bool:
        """Whether it changes anything at this time."""
        return bool(is_between(t, self.t_low, self.t_high))

    def overlaps(self, other: Guidance) -> bool:
        """Whether there is a time in the intervals of both, to within rounding."""
        start, end = max(self.t_low, other.t_low), min(self.t_high, other.t_high)
        return start <= end + 2 * ROUNDING

    def bind(self, space: SampleSpace) -> Self:
        """The same rule for one model's samples, in its units and on its device.

        Raises:
            ClarionError: if the rule does not fit such samples.
        """
        return self

    @property
    def remembers(self) -> bool:
        """Whether what it does to a row depends on what it saw of that row at earlier stops."""
        return False

    @property
    def networks(self) -> Mapping[str, Denoiser | NoisyClassifier]:
        """Name in messages -> what the rule itself asks, beside the denoiser.

        They must have the model's process, compute in its precision, and are counted.
        """
        return {}

    @property
    def num_evaluations(self) -> int:
        """Evaluations by those networks since the rule was made, each sample counted."""
        return self._evaluations() - self._evaluations_before

    def _evaluations(self) -> int:
        return sum(network.num_evaluations for network in self.networks.values())


def _misfit(whose: str, what: str, own: object, models: object, hint: str) -> ClarionError:
    problem = f"The {whose} must have the model's {what}: it has {own}, the model {models}."
    return ClarionError(f"{problem} {hint}".strip())


def is_between(t: Any, t_low: float, t_high: float) -> Any:
    """Whether a time, or each of a tensor of times, lies in an interval, both ends within."""
    return (t >= t_low - ROUNDING) & (t <= t_high + ROUNDING)


class Steered(DenoiserWrapper):
    """A denoiser with a rule round it.

    Args:
        inner: what is steered.
        rule: how.
        visit: the only stop at which it will be asked; None if that is not known.
    """

    def __init__(self, inner: Denoiser, rule: Guidance, visit: Visit | None = None) -> None:
        super().__init__(inner)
        self.rule, self.visit = rule, visit

    def at(self, visit: Visit) -> Denoiser:
        inner = self.inner.at(visit)
        if not self.rule.is_active_at(visit.t):
            return inner
        own_memory = visit.memory.setdefault(id(self), {})
        return Steered(inner, self.rule, replace(visit, memory=own_memory))

    def forward(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Estimate:
        rule = self.rule
        steered = rule.steer(self.inner, x_t, t, condition, self.visit)
        if self.visit is not None or (rule.t_low, rule.t_high) == (0.0, 1.0):
            return steered
        # Whether a time lies inside is not asked of the device here: that would make it wait.
        inside = is_between(t, rule.t_low, rule.t_high)
        return Estimate.extrapolate(self.inner(x_t, t, condition), steered, inside)

    @property
    def num_evaluations(self) -> int:
        """Network evaluations of the denoiser within and of the rule."""
        return self.inner.num_evaluations + self.rule.num_evaluations


def rules_round(denoiser: Denoiser) -> list[Guidance | None]:
    """The rules round a denoiser, outermost first; None for a wrapper that is no rule."""
    rules: list[Guidance | None] = []
    while isinstance(denoiser, DenoiserWrapper):
        rules.append(denoiser.rule if isinstance(denoiser, Steered) else None)
        denoiser = denoiser.inner
    return rules
