"""What a model may be conditioned on, and the values given for one batch.

A `ConditionSpec` is declared with the model and saved with it. A `Condition` holds one batch of
values, each with a presence mask: any subset may be absent for any sample, and what "absent" means
is learned by the model (an embedding of its own), never a hard-coded class number.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable, describe_unknown


@dataclass(frozen=True)
class Condition:
    """One batch of condition values.

    Args:
        values: name -> (batch, ...) tensor; rows that are absent hold zeros.
        present: name -> (batch,) bool tensor, with the same names.
    """

    values: Mapping[str, Tensor]
    present: Mapping[str, Tensor]

    def drop(self) -> Condition:
        """The same batch with everything absent: the condition of the unconditional model."""
        return Condition(
            self.values, {name: torch.zeros_like(mask) for name, mask in self.present.items()}
        )

    def keep_where(self, keep: Mapping[str, Tensor]) -> Condition:
        """Make value `name` absent in the rows where `keep[name]` (batch,) is false."""
        return Condition(
            self.values,
            {name: m & keep[name] if name in keep else m for name, m in self.present.items()},
        )

    def rows(self, index: slice | Tensor) -> Condition:
        """The condition of some of the samples."""
        return Condition(
            {name: value[index] for name, value in self.values.items()},
            {name: mask[index] for name, mask in self.present.items()},
        )

    def to(self, device: torch.device | str) -> Condition:
        """The same condition on another device."""
        return Condition(
            {name: value.to(device) for name, value in self.values.items()},
            {name: mask.to(device) for name, mask in self.present.items()},
        )

    @staticmethod
    def concatenate(conditions: Sequence[Condition]) -> Condition:
        """Stack batches that have the same names into one."""
        first = conditions[0]
        return Condition(
            {name: torch.cat([c.values[name] for c in conditions]) for name in first.values},
            {name: torch.cat([c.present[name] for c in conditions]) for name in first.present},
        )


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


CONDITION_ENTRIES: NameTable[type[ConditionEntry]] = NameTable(
    "condition type", {"class": ClassEntry, "vector": VectorEntry}
)

ConditionSpec = Mapping[str, ConditionEntry]
"""Name -> entry: all that a model can be conditioned on."""


def encode_condition(spec: ConditionSpec, given: Mapping[str, Any], n: int) -> Condition:
    """Check a user's values against a model's spec and build the condition of `n` samples.

    What is not given is absent.

    Raises:
        ClarionError: for a name or a value that the model does not know.

    Example:
        >>> condition = encode_condition({"label": ClassEntry(10)}, {"label": 3}, n=2)
        >>> condition.values["label"].tolist(), condition.present["label"].tolist()
        ([3, 3], [True, True])
    """
    if not isinstance(given, Mapping):
        raise ClarionError(f"condition must be name -> value, such as a dict, got {given!r}.")
    for name in given:
        if name not in spec:
            raise ClarionError(describe_unknown("condition", name, list(spec)))
    values, present = {}, {}
    for name, entry in spec.items():
        is_given = given.get(name) is not None
        values[name] = entry.encode(name, given[name], n) if is_given else entry.absent(n)
        present[name] = torch.full((n,), is_given)
    return Condition(values, present)
