"""A vector: several real numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import ConditionEntry, check_sizes, to_floats
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


@dataclass(frozen=True)
class VectorEntry(ConditionEntry):
    """`size` real numbers, in the units of the training data.

    Args:
        size: how many.
        names: what each of them is; then {name: number} may be given as well.
        units: the unit of each.
        mean: of each over the training data, subtracted before the model sees it; () for zeros.
        std: of each over the training data, divided by; () for ones.
    """

    size: int
    names: tuple[str, ...] = field(default=(), metadata={"optional": True})
    units: tuple[str, ...] = field(default=(), metadata={"optional": True})
    mean: tuple[float, ...] = field(default=(), metadata={"optional": True})
    std: tuple[float, ...] = field(default=(), metadata={"optional": True})

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "size")
        for name in ("names", "units", "mean", "std"):
            given = getattr(self, name)
            if given and len(given) != self.size:
                raise ClarionError(f"{name} must have {self.size} parts, got {len(given)}.")
        if len(set(self.names)) != len(self.names):
            raise ClarionError(f"names must differ from each other, got {self.names}.")
        if not all(map(math.isfinite, self.mean)):
            raise ClarionError(f"mean must be finite, got {self.mean}.")
        if not all(0 < s < math.inf for s in self.std):
            raise ClarionError(f"std must be above 0 and finite, got {self.std}.")

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """A vector (size,), or n of them, as an (n, size) float32 tensor: (value - mean) / std.

        Where the size is 1, a plain list holds one number for each sample.
        """
        if isinstance(values, Mapping):
            values = self._in_order(name, values)
        given = to_floats(name, _numbers(name, values))
        if given.ndim < 2 and given.numel() == self.size:
            given = given.reshape(1, self.size).expand(n, self.size)
        if self.size == 1 and given.shape == (n,):
            given = given.reshape(n, 1)
        if given.shape != (n, self.size):
            raise ClarionError(
                f"Condition {name!r} must have shape ({self.size},) or ({n}, {self.size}), "
                f"got {tuple(given.shape)}."
            )
        if self.mean:
            given = given - torch.tensor(self.mean)
        if self.std:
            given = given / torch.tensor(self.std)
        return given.contiguous()

    def absent(self, n: int) -> Tensor:
        return torch.zeros(n, self.size)

    def fit(self, values: Tensor) -> VectorEntry:
        """The same entry with the mean and deviation of training values (n, size).

        A number that never varies is left at its scale.
        """
        if values.ndim != 2 or values.shape[1] != self.size or not len(values):
            raise ClarionError(f"values must be (n, {self.size}), got {tuple(values.shape)}.")
        exact = values.double()
        std = exact.std(0, correction=0)
        std = torch.where(std > 0, std, 1.0)
        return replace(self, mean=tuple(exact.mean(0).tolist()), std=tuple(std.tolist()))

    def _in_order(self, name: str, values: Mapping[str, Any]) -> list[Any]:
        for key in values:
            if key not in self.names:
                raise ClarionError(describe_unknown(f"part of {name}", key, list(self.names)))
        missing = [key for key in self.names if key not in values]
        if missing:
            raise ClarionError(f"Condition {name!r} lacks {', '.join(missing)}.")
        return [values[key] for key in self.names]


def _numbers(name: str, values: Any) -> Any:
    """The same, where words stand for the numbers they spell."""
    try:
        if isinstance(values, str):
            return float(values)
        if isinstance(values, list | tuple):
            return [float(v) if isinstance(v, str) else v for v in values]
    except ValueError:
        raise ClarionError(f"Condition {name!r} must be numbers, got {values!r}.") from None
    return values
