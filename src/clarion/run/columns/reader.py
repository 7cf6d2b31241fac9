"""How the cells of a table become a condition: what all kinds share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import torch
from torch import Tensor

from clarion.base.condition import ConditionEntry, ConditionSpec
from clarion.base.errors import ClarionError, DataError
from clarion.run.columns.column import Column, StoredColumn

MOST_SHOWN = 60  # characters of a cell in a message


class CellSource(Protocol):
    """Examples that have cells in named columns."""

    def __len__(self) -> int: ...

    def name(self, index: int) -> str:
        """A name by which the user finds an example."""
        ...

    def cells(self, column: str) -> Sequence[Any]:
        """One cell for each example; None where it is missing.

        Raises:
            DataError: if there is no such column.
        """
        ...


class BadValueError(ClarionError):
    """A value that an entry does not hold.

    Args:
        index: which of the values.
        message: what is wrong with it.
    """

    def __init__(self, index: int, message: str) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True)
class ColumnReader(ABC):
    """Reads one condition.

    Args:
        columns: the columns it is read from; () stands for the one called as the condition.
    """

    kind: ClassVar[str]
    entry_type: ClassVar[type[ConditionEntry]]
    takes_several: ClassVar[bool] = False

    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if len(self.columns) > 1 and not self.takes_several:
            raise ClarionError(f"A {self.kind} is read from one column, got {self.columns}.")

    def cells(self, source: Any, column: str) -> Sequence[Any]:
        """What the kind is read from: one thing for each example of the source."""
        return source.cells(column)

    @abstractmethod
    def parse(self, cells: tuple[Any, ...]) -> Any:
        """One example's value out of its cells, or None where it is missing.

        Raises:
            ClarionError: if it is no value of this kind.
        """

    @abstractmethod
    def fit(self, name: str, values: Sequence[Any]) -> ConditionEntry:
        """The entry that holds all these values, of which there is at least one."""

    def check(self, entry: Any, name: str) -> None:
        """Refuse an entry that was fitted on values of another kind."""
        if not isinstance(entry, self.entry_type):
            raise DataError(
                f"Condition {name!r} is read as {self.kind} here, and is a "
                f"{type(entry).__name__} of the data to train on; read both alike."
            )

    @abstractmethod
    def encode(self, entry: Any, name: str, values: Sequence[Any]) -> Any:
        """Values as they are to be kept, for most kinds a tensor (n, ...).

        Raises:
            BadValueError: for one that the entry does not hold.
        """

    @abstractmethod
    def describe(self, entry: Any, values: Sequence[Any]) -> dict[str, Any]:
        """What there is to say of the values, beside how many there are."""

    def read(
        self,
        name: str,
        source: CellSource,
        positions: Sequence[int],
        entry: ConditionEntry | None = None,
    ) -> Column:
        """Read the condition `name` of some examples.

        Args:
            name: of the condition.
            source: where the examples come from.
            positions: numbers of the examples in the source.
            entry: fitted on other data; None fits one on these.

        Raises:
            DataError: for a cell that is no such value or unknown to the entry, with its place.
        """
        columns = self.columns or (name,)
        title = f"column {columns[0]!r}" if len(columns) == 1 else f"columns {', '.join(columns)}"
        cells = list(zip(*(self.cells(source, column) for column in columns), strict=True))
        parsed = []
        for position in positions:
            try:
                parsed.append(self.parse(cells[position]))
            except ClarionError as error:
                raise DataError(f"{source.name(position)}, {title}: {error}") from None
        values = [value for value in parsed if value is not None]
        present = torch.tensor([value is not None for value in parsed], dtype=torch.bool)
        if entry is None:
            if not values:
                raise DataError(
                    f"Condition {name!r} has no values: {title} is empty for all {len(present)} "
                    "examples."
                )
            entry = self.fit(name, values)
        self.check(entry, name)
        try:
            encoded = self.encode(entry, name, values)
        except BadValueError as error:
            at = present.nonzero()[error.index].item()
            raise DataError(f"{source.name(positions[int(at)])}, {title}: {error}") from None
        summary = {"kind": self.kind, "present": len(values), "count": len(present)}
        summary |= self.describe(entry, values)
        return self.keep(entry, present, encoded, summary)

    def keep(self, entry: Any, present: Tensor, encoded: Any, summary: Mapping[str, Any]) -> Column:
        """The column, given the encoded values of the examples that have one."""
        rows = encoded.new_zeros(len(present), *encoded.shape[1:])
        rows[present] = encoded
        return StoredColumn(entry, present, summary, rows)


def read_columns(
    requests: Mapping[str, ColumnReader],
    source: CellSource,
    positions: Sequence[int],
    spec: ConditionSpec | None = None,
) -> dict[str, Column]:
    """Read all conditions that are asked for; see `ColumnReader.read`.

    Args:
        requests: name -> reader.
        source: where the examples come from.
        positions: numbers of the examples in the source.
        spec: fitted on other data, those to train on; None fits one on these.
    """
    return {
        name: reader.read(name, source, positions, None if spec is None else spec.get(name))
        for name, reader in requests.items()
    }


def shown(cell: Any) -> str:
    """A cell, or the beginning of a long one, as it stands in messages."""
    text = repr(cell)
    return text if len(text) <= MOST_SHOWN else f"{text[:MOST_SHOWN]}..."


def is_missing(cell: Any) -> bool:
    """Whether there is nothing in a cell: None, or a number that is none, as tables write it."""
    return cell is None or (isinstance(cell, float) and cell != cell)
