"""What training needs of data, whatever their kind."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import torch
from torch import Tensor

from clarion.base.condition import ConditionSpec
from clarion.run.normalizer import Normalizer


class ExampleSet(Protocol):
    """Training examples by number.

    Any order of reading is a permutation of `range(len(examples))`, so a position in the data is a
    seed and one number.
    """

    def __len__(self) -> int: ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one example, without the batch."""
        ...

    @property
    def condition_spec(self) -> ConditionSpec:
        """What is known of each example."""
        ...

    def batch(self, indices: Tensor) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Examples by number.

        Args:
            indices: (n,) int64, in any order.

        Returns:
            Data (n, *shape) as they are stored, and the condition values, name -> (n, ...).
        """
        ...

    def to(self, device: torch.device | str) -> Self:
        """The same set, giving its batches on another device."""
        ...

    def fit_normalizer(self) -> Normalizer:
        """The affine map to model units, fitted on all examples."""
        ...


@dataclass(frozen=True)
class DataConfig(ABC):
    """Where examples come from and what is done to them; saved with the run."""

    @abstractmethod
    def open(self) -> ExampleSet:
        """Find and check the data.

        Raises:
            DataError: if there are no such data, or they cannot be used as they are.
        """
