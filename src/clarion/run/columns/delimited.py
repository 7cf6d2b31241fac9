"""Tables written as text: a row a line, with commas or tabs between the cells."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown

ENDINGS = {".csv": ",", ".tsv": "\t"}
"""Ending -> what stands between the cells."""

COMPRESSED = ".gz"


def ending_of(path: Path | str) -> str:
    """The ending of a file in small letters, that of what is within if it is compressed.

    Example:
        >>> ending_of("qm9.csv.GZ")
        '.csv'
    """
    path = Path(str(path).lower())
    return Path(path.stem).suffix if path.suffix == COMPRESSED else path.suffix


def open_text(file: Path) -> TextIO:
    """Open a text in UTF-8, compressed or not."""
    opened = gzip.open if file.suffix.lower() == COMPRESSED else open
    return opened(file, "rt", encoding="utf-8-sig", newline="")  # pyright: ignore


def read_header(file: Path) -> tuple[str, ...]:
    """The names of the columns.

    Raises:
        DataError: if there are none, or one comes twice.
    """
    with open_text(file) as stream:
        header = next(_rows(file, stream), (0, []))[1]
    if not any(header) or len(set(header)) < len(header):
        raise DataError(
            f"{file} must begin with the names of its columns, each once, got {header}."
        )
    return tuple(header)


def read_delimited(file: Path) -> Iterator[tuple[int, dict[str, str | None]]]:
    """(line, row) pairs, where a row is column -> cell. Cells are words; an empty one is missing.

    Raises:
        DataError: if the columns have no names, or a row has more or fewer cells.
    """
    header = read_header(file)
    with open_text(file) as stream:
        rows = _rows(file, stream)
        next(rows)
        for line, cells in rows:
            if len(cells) != len(header):
                raise DataError(
                    f"{file}, line {line} has {len(cells)} cells for {len(header)} "
                    'columns; a cell with a comma within is written "in quotes, so".'
                )
            yield line, {name: cell or None for name, cell in zip(header, cells, strict=True)}


class DelimitedTable:
    """A .csv or .tsv file as it is, each cell a word; a `CellSource`.

    Raises:
        DataError: if it cannot be read, or has no rows.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._columns = {name: [] for name in read_header(file)}
        self._lines: list[int] = []
        for line, row in read_delimited(file):
            self._lines.append(line)
            for name, cell in row.items():
                self._columns[name].append(cell)
        if not self._lines:
            raise DataError(f"{file} has no rows.")

    def __len__(self) -> int:
        return len(self._lines)

    def name(self, index: int) -> str:
        return f"{self._file}, line {self._lines[index]}"

    def columns(self) -> tuple[str, ...]:
        """The columns that `cells` knows."""
        return tuple(self._columns)

    def cells(self, column: str) -> list[Any]:
        if column not in self._columns:
            raise DataError(f"{self._file}: {describe_unknown('column', column, [*self._columns])}")
        return self._columns[column]


def _rows(file: Path, stream: TextIO) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) pairs of the rows that are not empty."""
    reader = csv.reader(stream, strict=True, delimiter=ENDINGS[ending_of(file)])
    try:
        for cells in reader:
            if cells:
                yield reader.line_num, cells
    except (UnicodeDecodeError, OSError, EOFError, zlib.error, csv.Error) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error
