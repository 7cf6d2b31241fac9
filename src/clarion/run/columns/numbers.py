"""Vectors: one or several columns of numbers, or one of lists of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition import VectorEntry
from clarion.base.errors import ClarionError, DataError
from clarion.run.columns.reader import BadValueError, ColumnReader, is_missing, shown

MOST = torch.finfo(torch.float32).max


@dataclass(frozen=True)
class VectorColumn(ColumnReader):
    """Real numbers, in the units of the table; where a part is missing, the vector is absent.

    Args:
        columns: one of numbers or of lists, or several of numbers, which then name the parts.
        units: of each part, for people to read.
    """

    kind = "vector"
    entry_type = VectorEntry
    takes_several = True

    units: tuple[str, ...] = field(default=(), kw_only=True)

    def parse(self, cells: tuple[Any, ...]) -> tuple[float, ...] | None:
        if len(cells) == 1 and isinstance(cells[0], list | tuple):
            cells = tuple(cells[0])
        if any(map(is_missing, cells)):
            return None
        try:
            if not all(isinstance(cell, int | float | str) for cell in cells):
                raise ValueError
            numbers = tuple(map(float, cells))
        except ValueError:
            raise ClarionError(f"it must be a number, got {_all(cells)}.") from None
        if not numbers or not all(abs(number) < MOST for number in numbers):
            raise ClarionError(f"it must be finite, below {MOST:g}, got {_all(cells)}.")
        return numbers

    def fit(self, name: str, values: Sequence[tuple[float, ...]]) -> VectorEntry:
        size = len(values[0])
        names = self.columns if len(self.columns) > 1 else ()
        if self.units and len(self.units) != size:
            raise ClarionError(
                f"Condition {name!r} has {size} numbers a row, but units {'+'.join(self.units)}; "
                "give one for each."
            )
        entry = VectorEntry(size, names, self.units)
        same = [value for value in values if len(value) == size]
        return entry.fit(torch.tensor(same, dtype=torch.float64))

    def check(self, entry: VectorEntry, name: str) -> None:
        super().check(entry, name)
        if self.units and self.units != entry.units:
            raise DataError(
                f"Condition {name!r} has units {'+'.join(self.units)} here, and "
                f"{'+'.join(entry.units) or 'none'} in the data to train on; give both the same."
            )

    def encode(self, entry: VectorEntry, name: str, values: Sequence[tuple[float, ...]]) -> Tensor:
        for i, value in enumerate(values):
            if len(value) != entry.size:
                raise BadValueError(i, f"it must be {entry.size} numbers, got {len(value)}.")
        given = torch.tensor(values, dtype=torch.float64).reshape(len(values), entry.size)
        return entry.encode(name, given, len(values))

    def describe(self, entry: VectorEntry, values: Sequence[tuple[float, ...]]) -> dict[str, Any]:
        names, units = entry.names or ("",) * entry.size, entry.units or ("",) * entry.size
        if not values:
            return {"parts": []}
        parts = [
            {"name": name, "unit": unit, "low": low, "high": high, "mean": mean, "std": std}
            for name, unit, low, high, mean, std in zip(
                names,
                units,
                map(min, zip(*values, strict=True)),
                map(max, zip(*values, strict=True)),
                entry.mean,
                entry.std,
                strict=True,
            )
        ]
        return {"parts": parts}


def _all(cells: tuple[Any, ...]) -> str:
    return ", ".join(map(shown, cells[:3])) + ", ..." * (len(cells) > 3) or "none"
