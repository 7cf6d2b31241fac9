"""What a baseline is: a generative model of another kind, by the same data, loop and commands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import ClassVar

from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import Condition, ConditionEntry, ConditionSpec
from clarion.base.options import check_number
from clarion.denoise.asked import AskedNetwork
from clarion.run.config import TrainingConfig
from clarion.run.examples import ExampleSet


class Generator(AskedNetwork, ABC):
    """What makes a sample out of random numbers in one pass of its network.

    Args, set by those that derive from this:
        latent_size: how many standard normal numbers a sample is made of.
    """

    latent_size: int

    @abstractmethod
    def generate(self, latent: Tensor, condition: Condition | None) -> Tensor:
        """Samples in model units, (batch, *shape).

        Args:
            latent: standard normal numbers, (batch, latent_size).
            condition: what is asked for, a row for each.
        """


@dataclass(frozen=True)
class Baseline(ABC):
    """A kind of generative model with its settings, a frozen dataclass whose fields are flags."""

    called: ClassVar[str]
    """What it is called in messages, with its article."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> Generator:
        """Freshly initialised from torch's random state.

        Args:
            shape: of a sample, in model units.
            spec: what it may be conditioned on.

        Raises:
            ClarionError: if it cannot make such samples.
        """


@dataclass(frozen=True)
class BaselineConfig:
    """All that is needed, beside weights and codec, to make a baseline's generator.

    Args:
        shape: of one sample, in model units.
        condition: what it may be conditioned on.
        baseline: what kind it is, and its settings.
        domain: the kind of data, a name in `domains.tables.DOMAINS`.
    """

    shape: tuple[int, ...]
    condition: Mapping[str, ConditionEntry]
    baseline: Baseline
    domain: str = "image"

    def build(self) -> Generator:
        """The generator, freshly initialised from torch's random state."""
        return self.baseline.build(self.shape, self.condition)


@dataclass(frozen=True)
class BaselineTrainConfig(TrainingConfig):
    """The whole training of a baseline.

    Args:
        baseline: what is trained.
        condition_dropout: probability with which each condition is hidden, to learn "absent".
    """

    baseline: Baseline = field(kw_only=True)
    condition_dropout: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("condition_dropout", self.condition_dropout, 0, 1)

    def of_examples(self, examples: ExampleSet, codec: Codec) -> BaselineConfig:
        """The baseline that a training on these examples makes."""
        spec = {
            name: replace(entry, dropout=self.condition_dropout)
            for name, entry in examples.condition_spec.items()
        }
        shape = codec.model_shape(examples.shape)
        return BaselineConfig(shape, spec, self.baseline, type(self.data).domain)
