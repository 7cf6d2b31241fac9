"""The kinds of things a model may be conditioned on."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


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

    @abstractmethod
    def absent(self, n: int) -> Tensor:
        """(n, ...) placeholder of the right shape and type."""


@dataclass(frozen=True)
class ClassEntry(ConditionEntry):
    """One label out of `num_classes`; `class_names` may be used instead of numbers.

    A word is looked up among the names first: "1" is the class of that name where there is one.
    """

    num_classes: int
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_classes < 1:
            raise ClarionError(f"num_classes must be at least 1, got {self.num_classes}.")
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ClarionError(
                f"class_names must name all {self.num_classes} classes, "
                f"got {len(self.class_names)} names."
            )

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """Labels (a number, a class name, or n of them) as an (n,) int64 tensor."""
        values = _to_python(values)
        is_one = isinstance(values, str | bytes) or not isinstance(values, Iterable)
        labels = [self._label(name, value) for value in ([values] * n if is_one else values)]
        if len(labels) != n:
            raise ClarionError(
                f"Condition {name!r} has {len(labels)} values for {n} samples; give one or {n}."
            )
        return torch.tensor(labels, dtype=torch.int64)

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, dtype=torch.int64)

    def _label(self, name: str, value: Any) -> int:
        if isinstance(value, str) and value in self.class_names:
            return self.class_names.index(value)
        is_word = isinstance(value, str) and not value.removeprefix("-").isdecimal()
        if is_word and self.class_names:
            raise ClarionError(describe_unknown(name, value, list(self.class_names)))
        value = int(value) if isinstance(value, str) and not is_word else _to_python(value)
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole:
            raise ClarionError(f"Condition {name!r} must be a whole number, got {value!r}.")
        if not 0 <= int(value) < self.num_classes:
            raise ClarionError(
                f"Condition {name!r} must be in 0..{self.num_classes - 1}, got {value}."
            )
        return int(value)


@dataclass(frozen=True)
class VectorEntry(ConditionEntry):
    """`size` real numbers, in the units in which the model was trained."""

    size: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.size < 1:
            raise ClarionError(f"size must be at least 1, got {self.size}.")

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """A vector (size,), or n of them, as an (n, size) float32 tensor.

        Where the size is 1, a plain list holds one number for each sample.
        """
        try:
            if isinstance(values, str):
                values = float(values)
            elif isinstance(values, list | tuple):
                values = [float(v) if isinstance(v, str) else v for v in values]
            given = torch.as_tensor(values, dtype=torch.float32)
        except (TypeError, ValueError):
            raise ClarionError(f"Condition {name!r} must be numbers, got {values!r}.") from None
        if given.ndim < 2 and given.numel() == self.size:
            given = given.reshape(1, self.size).expand(n, self.size)
        if self.size == 1 and given.shape == (n,):
            given = given.reshape(n, 1)
        if given.shape != (n, self.size):
            raise ClarionError(
                f"Condition {name!r} must have shape ({self.size},) or ({n}, {self.size}), "
                f"got {tuple(given.shape)}."
            )
        if not given.isfinite().all():
            raise ClarionError(f"Condition {name!r} must be finite numbers, got {values!r}.")
        return given.contiguous()

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, self.size)


def _to_python(value: Any) -> Any:
    """Numbers and arrays of torch and numpy as plain numbers and lists; all else as it is."""
    return value.tolist() if hasattr(value, "tolist") else value
