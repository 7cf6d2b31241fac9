"""A second picture for each: a mask, a depth map, the same in fewer pixels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarion.base.condition import FieldEntry
from clarion.base.errors import DataError
from clarion.base.names import NameTable
from clarion.domains.image.decoding import MODES, PictureRule, Piece
from clarion.domains.image.sources import PictureSource
from clarion.run.columns import COLUMN_READERS
from clarion.run.columns.reader import BadValueError, ColumnReader


@dataclass(frozen=True)
class FieldColumn(ColumnReader):
    """A picture a cell, brought to its size by the rule of the pictures themselves.

    The model sees it in units of 0 black to 1 white. All are kept in memory, decoded.

    Args:
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        rule: how the pictures are brought to their size.
    """

    kind = "field"
    entry_type = FieldEntry

    channels: int = field(default=1, kw_only=True)
    rule: PictureRule = field(default=PictureRule(), kw_only=True, metadata={"typed": False})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.channels not in MODES:
            raise DataError(f"channels must be 1, 2, 3 or 4, got {self.channels}.")

    def cells(self, source: PictureSource, column: str) -> Sequence[Piece | None]:
        return source.pieces(column)

    def parse(self, cells: tuple[Piece | None, ...]) -> NDArray[np.uint8] | None:
        """(channels, height, width)."""
        (cell,) = cells
        return None if cell is None else self.rule.read(cell).transpose(2, 0, 1)

    def fit(self, name: str, values: Sequence[NDArray[np.uint8]]) -> FieldEntry:
        channels, height, width = values[0].shape
        return FieldEntry(channels, (height, width))

    def encode(self, entry: FieldEntry, name: str, values: Sequence[NDArray[np.uint8]]) -> Tensor:
        """(n, channels, height, width) uint8."""
        for i, value in enumerate(values):
            if value.shape != entry.shape:
                _, height, width = value.shape
                raise BadValueError(
                    i,
                    f"it is {width}x{height}, and others are {entry.sides[1]}x{entry.sides[0]}; "
                    "set size and resize (--size 32 --resize crop).",
                )
        stacked = np.stack(values) if len(values) else np.empty((0, *entry.shape), np.uint8)
        return torch.from_numpy(stacked)

    def describe(self, entry: FieldEntry, values: Sequence[Any]) -> dict[str, Any]:
        return {"shape": list(entry.shape)}


PICTURE_READERS: NameTable[type[ColumnReader]] = NameTable(
    COLUMN_READERS.kind, {**COLUMN_READERS, "field": FieldColumn}
)
"""Name -> how the cells of a column become a condition of pictures."""
