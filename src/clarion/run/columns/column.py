"""The values of one condition for all examples of a set."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from clarion.base.condition import Condition, ConditionEntry


@dataclass(frozen=True, eq=False)
class Column(ABC):
    """The values of one condition.

    Args:
        entry: what they are.
        present: (n,) bool, which examples have one.
        summary: what there is to say of them: plain types, for people and for JSON.
    """

    entry: ConditionEntry
    present: Tensor
    summary: Mapping[str, Any]

    @abstractmethod
    def batch(self, indices: Tensor) -> Tensor:
        """Values (len(indices), ...), of the form that `entry.encode` gives, by number."""

    def to(self, device: torch.device | str) -> Self:
        """The same values, given on another device."""
        return replace(self, present=self.present.to(device))


@dataclass(frozen=True, eq=False)
class StoredColumn(Column):
    """Values that are kept as they are.

    Args:
        values: (n, ...), zeros where absent; flags are kept as bool, and what lies in [0, 1] may be
            kept as bytes.
    """

    values: Tensor

    def batch(self, indices: Tensor) -> Tensor:
        rows = self.values.index_select(0, indices.to(self.values.device))
        if rows.dtype == torch.uint8:
            return rows.float() / 255
        return rows.float() if rows.dtype == torch.bool else rows

    def to(self, device: torch.device | str) -> Self:
        return replace(super().to(device), values=self.values.to(device))


def batch_of(columns: Mapping[str, Column], indices: Tensor) -> Condition:
    """What is known of some of the examples, (n,) int64 by number."""
    return Condition(
        {name: column.batch(indices) for name, column in columns.items()},
        {
            name: column.present.index_select(0, indices.to(column.present.device))
            for name, column in columns.items()
        },
    )
