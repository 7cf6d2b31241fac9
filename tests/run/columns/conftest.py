"""Tables made on the spot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from clarion.run.columns import Column, parse_requests, read_columns


@dataclass(frozen=True)
class Rows:
    """A `CellSource` of named columns."""

    columns: dict[str, list[Any]]

    def __len__(self) -> int:
        return len(next(iter(self.columns.values())))

    def name(self, index: int) -> str:
        return f"table, row {index}"

    def cells(self, column: str) -> list[Any]:
        return self.columns[column]


@pytest.fixture
def read() -> Callable[..., Column]:
    """read("it=text", it=[...], positions=..., entry=...): the one condition that is asked for."""

    def read(request: str, positions: Any = None, entry: Any = None, **columns: list) -> Column:
        source = Rows(columns)
        requests = parse_requests([request])
        (name,) = requests
        spec = None if entry is None else {name: entry}
        at = range(len(source)) if positions is None else positions
        return read_columns(requests, source, at, spec)[name]

    return read
