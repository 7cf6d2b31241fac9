"""What training needs of data, whatever their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, Self, TypeAlias, runtime_checkable

import torch
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.condition import Condition, ConditionSpec

OnProgress: TypeAlias = Callable[[int, int], None]
"""Called with (examples read, examples in all)."""


class ExampleSet(Protocol):
    """Training examples by number.

    Any order of reading is a permutation of `range(len(examples))`, so a position in the data is a
    seed and one number.
    """

    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example as it is stored, without the batch."""
        ...

    @property
    def condition_spec(self) -> ConditionSpec:
        """What is known of each example."""
        ...

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """Examples by number.

        Args:
            indices: (n,) int64, in any order.

        Returns:
            Data (n, *shape) as they are stored, and what is known of each, with its presence mask:
            what the data do not tell of an example is absent.
        """
        ...

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """What a training step learns from in their place: examples that are as good as these.

        Its randomness is torch's. Validation sees examples as they are.
        """
        ...

    def to(self, device: torch.device | str) -> Self:
        """The same set, giving its batches on another device."""
        ...


@runtime_checkable
class Grouped(Protocol):
    """What examples have, too, if some belong together, such as pieces of one recording."""

    @property
    def groups(self) -> Tensor:
        """(n,) int64, the group of each; a group is held out as a whole or not at all."""
        ...


class DataDescription(Protocol):
    """A report on data that `rich` can print and JSON can hold."""

    def to_json(self) -> dict[str, Any]: ...

    def __rich__(self) -> Any: ...


@dataclass(frozen=True)
class Fitted:
    """What was fitted on the data to train on; other data of that training are read by the same.

    Args:
        condition_spec: what is known of each example.
        shape: of one example in model units, without the batch.
        codec: between the units of the data and those of the model.
    """

    condition_spec: ConditionSpec
    shape: tuple[int, ...]
    codec: Codec


@dataclass(frozen=True)
class DataConfig(ABC):
    """Where examples come from and what is done to them; saved with the run."""

    domain: ClassVar[str]
    """The kind of data, a name in `domains.tables.DOMAINS`."""

    source: str

    @abstractmethod
    def open(
        self, on_progress: OnProgress | None = None, fitted: Fitted | None = None
    ) -> ExampleSet:
        """Find and check the data.

        Args:
            on_progress: called with (examples read, examples in all) meanwhile.
            fitted: on other data, those to train on, to which these belong; None fits all on these.

        Raises:
            DataError: if there are no such data, they cannot be used as they are, or they hold a
                value that those do not know.
        """

    @abstractmethod
    def fit_codec(self, examples: Any) -> Codec:
        """The affine map to model units, fitted on examples that this config opened."""

    @abstractmethod
    def describe(self, examples: Any) -> DataDescription:
        """What is in the data: counts, sizes, ranges, balance, duplicates."""

    def survey(self) -> DataDescription | None:
        """What can be said of data that cannot be opened as is asked; None if their error says all.

        Raises:
            DataError: if there are no such data.
        """
        return None
