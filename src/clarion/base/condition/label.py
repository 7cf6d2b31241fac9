"""A label: one class out of several."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import ConditionEntry, check_count, check_sizes, to_python
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


@dataclass(frozen=True)
class ClassEntry(ConditionEntry):
    """One label out of `num_classes`; `class_names` may be used instead of numbers.

    A word is looked up among the names first: "1" is the class of that name where there is one.
    """

    num_classes: int
    class_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "num_classes")
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ClarionError(
                f"class_names must name all {self.num_classes} classes, "
                f"got {len(self.class_names)} names."
            )

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """Labels (a number, a class name, or n of them) as an (n,) int64 tensor."""
        values = to_python(values)
        is_one = isinstance(values, str | bytes) or not isinstance(values, Iterable)
        labels = [self._label(name, value) for value in ([values] * n if is_one else values)]
        check_count(name, len(labels), n)
        return torch.tensor(labels, dtype=torch.int64)

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, dtype=torch.int64)

    def _label(self, name: str, value: Any) -> int:
        if isinstance(value, str) and value in self.class_names:
            return self.class_names.index(value)
        is_word = isinstance(value, str) and not value.removeprefix("-").isdecimal()
        if is_word and self.class_names:
            raise ClarionError(describe_unknown(name, value, list(self.class_names)))
        value = int(value) if isinstance(value, str) and not is_word else to_python(value)
        is_whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
        if isinstance(value, bool) or not is_whole:
            raise ClarionError(f"Condition {name!r} must be a whole number, got {value!r}.")
        if not 0 <= int(value) < self.num_classes:
            raise ClarionError(
                f"Condition {name!r} must be in 0..{self.num_classes - 1}, got {value}."
            )
        return int(value)
