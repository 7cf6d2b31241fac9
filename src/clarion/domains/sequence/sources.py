"""Where sequences come from: a column of a table, a FASTA file, or one long text."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.run.columns import CellSource
from clarion.run.columns.delimited import ENDINGS, DelimitedTable, ending_of, open_text
from clarion.run.columns.parquet import Table, holds_pictures, read_parquet

FASTA_ENDINGS = (".fasta", ".fa", ".faa", ".fna")
TEXT_ENDING = ".txt"
PARQUET_ENDING = ".parquet"
KNOWN_ENDINGS = (*ENDINGS, *FASTA_ENDINGS, TEXT_ENDING, PARQUET_ENDING)

USUAL_COLUMNS = ("sequence", "smiles", "text")


class SequenceSource(CellSource, Protocol):
    """Examples in rows, one of whose columns holds the sequences."""

    def columns(self) -> tuple[str, ...]:
        """The columns that `cells` knows."""
        ...


class FastaFile:
    """Records of a FASTA file, each with a `name` (all that stands behind ">") and a `sequence`.

    Raises:
        DataError: if it cannot be read, or does not begin with a record.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._lines: list[int] = []
        self._names: list[str] = []
        parts: list[list[str]] = []
        for number, line in enumerate(read_lines(file), 1):
            line = line.strip()
            if line.startswith(">"):
                self._lines.append(number)
                self._names.append(line[1:].strip())
                parts.append([])
            elif line and not parts:
                raise DataError(f'{file} must begin with a line ">NAME", got {line[:40]!r}.')
            elif line:
                parts[-1].append(line)
        if not parts:
            raise DataError(f"{file} has no records.")
        self._sequences = ["".join(lines) or None for lines in parts]

    def __len__(self) -> int:
        return len(self._sequences)

    def name(self, index: int) -> str:
        return f"{self._file}, line {self._lines[index]} (>{self._names[index][:40]})"

    def columns(self) -> tuple[str, ...]:
        return ("sequence", "name")

    def cells(self, column: str) -> Sequence[Any]:
        if column not in self.columns():
            known = list(self.columns())
            raise DataError(f"{self._file}: {describe_unknown('column', column, known)}")
        return self._sequences if column == "sequence" else self._names


def open_rows(file: Path) -> SequenceSource:
    """Open a table or a FASTA file, by its ending.

    Raises:
        DataError: if there is no such file, or it cannot be used as it is.
    """
    check_file(file)
    ending = ending_of(file)
    if ending in ENDINGS:
        return DelimitedTable(file)
    if ending in FASTA_ENDINGS:
        return FastaFile(file)
    return Table(*read_parquet([file]))


def check_file(file: Path) -> None:
    """Refuse what is no file, or of an ending that is not known."""
    if file.is_file() and ending_of(file) in KNOWN_ENDINGS:
        return
    problem = f"There is no file {file}"
    if file.exists():
        problem = f"{file} is {'a folder' if file.is_dir() else 'of another kind'}"
    raise DataError(
        f"{problem}; sequences are read from one file that ends in {' '.join(KNOWN_ENDINGS)} (all "
        "but parquet may be compressed: .csv.gz)."
    )


def is_sequence_file(source: str) -> bool:
    """Whether a source is one of sequences: by its ending; of parquet, one without pictures."""
    ending = ending_of(source)
    if ending != PARQUET_ENDING:
        return ending in KNOWN_ENDINGS
    file = Path(source).expanduser()
    return file.is_file() and not holds_pictures(file)


def find_column(source: SequenceSource, title: str, wanted: str | None) -> str:
    """The column that holds the sequences: the one wanted, one of the usual names, or the only one
    of texts.

    Raises:
        DataError: if there is none, or it is not clear which.
    """
    known = source.columns()
    if wanted is not None:
        if wanted not in known:
            raise DataError(f"{title}: {describe_unknown('column', wanted, list(known))}")
        return wanted
    usual = [name for name in known if name.lower() in USUAL_COLUMNS]
    found = usual or [name for name in known if _holds_texts(source.cells(name))]
    if len(found) == 1:
        return found[0]
    what = f"several columns of texts ({', '.join(found)})" if found else "no column of texts"
    raise DataError(
        f"{title} has {what}; choose the one of the sequences with column (--column). "
        f"Known: {', '.join(known)}."
    )


def read_lines(file: Path) -> Iterator[str]:
    """The lines of a text, compressed or not, each with its end as "\\n".

    Raises:
        DataError: if it is no text in UTF-8.
    """
    try:
        with open_text(file) as stream:
            for line in stream:
                yield line.replace("\r\n", "\n").replace("\r", "\n")
    except (UnicodeDecodeError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error


def _holds_texts(cells: Sequence[Any]) -> bool:
    given = [cell for cell in cells if cell is not None]
    if not given or not all(isinstance(cell, str) for cell in given):
        return False
    return not all(map(_is_number, given))


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
