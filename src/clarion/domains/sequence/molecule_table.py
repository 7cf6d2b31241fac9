"""A table of molecules: in the notation that is wanted, with their properties as columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.sequence.notation import Notation, are_selfies
from clarion.domains.sequence.reading import read_each
from clarion.domains.sequence.sources import SequenceSource
from clarion.run.examples import OnProgress


class MoleculeTable:
    """The rows of another source, one of whose columns holds molecules; a `SequenceSource`.

    Molecules are given in the notation that is wanted, whichever of the two the column is in. A
    property of molecules is a column, too, unless the table has one of that name. RDKit is needed
    only where something is translated or computed.

    Args:
        source: of the rows.
        title: what to call it in messages.
        column: of the molecules.
        notation: in which they are wanted.
        on_progress: called with (molecules done, molecules in all) where that takes long.
    """

    def __init__(
        self,
        source: SequenceSource,
        title: str,
        column: str,
        notation: Notation,
        on_progress: OnProgress | None = None,
    ) -> None:
        self._source, self._title, self._column = source, title, column
        self._notation: Notation = notation
        self._on_progress = on_progress
        self._computed: dict[str, Sequence[Any]] = {}

    def __len__(self) -> int:
        return len(self._source)

    def name(self, index: int) -> str:
        return self._source.name(index)

    def columns(self) -> tuple[str, ...]:
        return self._source.columns()

    def cells(self, column: str) -> Sequence[Any]:
        if column in self.columns() and column != self._column:
            return self._source.cells(column)
        if column not in self._computed:
            is_own = column == self._column
            self._computed[column] = self._in(self._notation) if is_own else self._property(column)
        return self._computed[column]

    def _in(self, notation: Notation) -> Sequence[Any]:
        cells = self._source.cells(self._column)
        is_selfies = are_selfies(cell for cell in cells if isinstance(cell, str))
        if is_selfies == (notation == "selfies"):
            return cells
        from clarion.domains.sequence.molecules.chemistry import to_selfies, to_smiles

        return self._read(cells, to_smiles if is_selfies else to_selfies)

    def _property(self, name: str) -> Sequence[Any]:
        from clarion.domains.sequence.molecules.chemistry import parse
        from clarion.domains.sequence.molecules.properties import PROPERTIES

        if name not in PROPERTIES:
            known = [*self.columns(), *PROPERTIES]
            raise DataError(f"{self._title}: {describe_unknown('column', name, known)}")
        value = PROPERTIES[name]
        return self._read(self._in("smiles"), lambda smiles: value(parse(smiles)))

    def _read(self, cells: Sequence[Any], what: Callable[[str], Any]) -> list[Any]:
        """The same of each; a cell that is no text stays as it is, for who reads the sequences."""
        return read_each(
            cells,
            lambda cell: what(cell) if isinstance(cell, str) else cell,
            lambda index: f"{self.name(index)}, column {self._column!r}",
            self._on_progress,
        )
