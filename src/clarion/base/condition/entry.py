"""One thing a model may be conditioned on, and what the kinds of it share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from clarion.base.errors import ClarionError


@dataclass(frozen=True)
class ConditionEntry(ABC):
    """One thing a model can be conditioned on.

    Args:
        dropout: probability in [0, 1] with which training hides it, so that "absent" is learned.
    """

    dropout: float = field(default=0.1, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.dropout <= 1:
            raise ClarionError(f"dropout must be in [0, 1], got {self.dropout}.")

    @abstractmethod
    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """Check what a user gave for `name` and turn it into an (n, ...) tensor.

        Raises:
            ClarionError: if the model does not know such a value.
        """

    def means_the_same_as(self, other: ConditionEntry | None) -> bool:
        """Whether the other takes the same values for the same things, however it was trained."""
        return other is not None and replace(other, dropout=self.dropout) == self

    @abstractmethod
    def absent(self, n: int) -> Tensor:
        """(n, ...) placeholder of the right shape and type."""


def check_sizes(entry: ConditionEntry, *names: str) -> None:
    """Refuse an entry in which one of these sizes is below 1."""
    for name in names:
        if getattr(entry, name) < 1:
            raise ClarionError(f"{name} must be at least 1, got {getattr(entry, name)}.")


def check_count(name: str, count: int, n: int) -> None:
    """Refuse a list of values that is not one for each of the n samples."""
    if count != n:
        raise ClarionError(
            f"Condition {name!r} has {count} values for {n} samples; give one or {n}."
        )


def to_python(value: Any) -> Any:
    """Numbers and arrays of torch and numpy as plain numbers and lists; all else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value


def to_floats(name: str, values: Any) -> Tensor:
    """Numbers, nested lists or arrays of them, as a float32 tensor; all must be finite."""
    try:
        if isinstance(values, list | tuple):
            values = [torch.as_tensor(v, dtype=torch.float32) for v in values]
            given = torch.stack(values) if values else torch.empty(0)
        else:
            given = torch.as_tensor(values, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        raise ClarionError(f"Condition {name!r} must be numbers, got {values!r}.") from None
    if not given.isfinite().all():
        raise ClarionError(f"Condition {name!r} must be finite numbers, got {values!r}.")
    return given
