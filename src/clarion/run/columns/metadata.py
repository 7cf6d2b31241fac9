"""What is known of the files in a folder: `metadata.csv` or `metadata.jsonl` beside them.

Each row names a file, by its path from that folder, in the column `file_name`. Files without a row
are files of which nothing is known.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Any

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.run.columns.delimited import read_delimited, read_header

FILES = ("metadata.csv", "metadata.jsonl")
KEY = "file_name"


class Metadata:
    """The metadata file of a folder, read when it is asked for.

    Args:
        folder: where it lies.
        paths: the files that it may speak of, in the order in which cells are given.
    """

    def __init__(self, folder: Path, paths: Sequence[Path]) -> None:
        self._folder, self._paths = folder, paths

    @property
    def file(self) -> Path | None:
        """The metadata file, if there is one.

        Raises:
            DataError: if there are two.
        """
        found = [self._folder / name for name in FILES if (self._folder / name).is_file()]
        if len(found) > 1:
            raise DataError(f"{self._folder} has {' and '.join(FILES)}; keep one of them.")
        return found[0] if found else None

    def cells(self, column: str) -> list[Any]:
        """One cell for each file; None where it is missing.

        Raises:
            DataError: if there is no such file or column, a row names no file or one that another
                row names too, or the file cannot be read.
        """
        if self.file is None:
            raise DataError(
                f"There is no column {column!r}: {self._folder} has no {' or '.join(FILES)} with a "
                f"column {KEY!r} and others."
            )
        if column not in self._columns:
            known = list(self._columns)
            raise DataError(f"{self.file}: {describe_unknown('column', column, known)}")
        return [self._rows.get(path, {}).get(column) for path in self._paths]

    def columns(self) -> tuple[str, ...]:
        """The columns there are beside the files' names; none if this is no metadata file."""
        try:
            return self._columns if self.file else ()
        except DataError:  # a file of that name for other purposes; `cells` says what is wrong
            return ()

    @property
    def _columns(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(k for row in self._rows.values() for k in row if k != KEY))

    @cached_property
    def _rows(self) -> dict[Path, dict[str, Any]]:
        """Path -> row."""
        assert self.file is not None, "it was looked for"
        known, rows, lines = set(self._paths), {}, {}
        for line, row in _read(self.file):
            place, name = f"{self.file}, line {line}", row.get(KEY)
            if not isinstance(name, str) or not name:
                raise DataError(f"{place} names no file in {KEY!r}.")
            path = self._folder / PurePosixPath(name)
            if path not in known:
                raise DataError(
                    f"{place}: there is no {name!r} among the {len(known)} files of "
                    f"{self._folder}; mend or remove the row."
                )
            if path in rows:
                raise DataError(f"{place}: {name!r} stands in line {lines[path]} already.")
            rows[path], lines[path] = row, line
        if not rows:
            raise DataError(f"{self.file} has no rows.")
        return rows


def _read(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line, row) pairs."""
    try:
        yield from (_read_csv if file.suffix == ".csv" else _read_jsonl)(file)
    except (UnicodeDecodeError, OSError) as error:
        raise DataError(f"{file} cannot be read: {error}.") from error


def _read_csv(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Cells are words; an empty one is missing."""
    header = read_header(file)
    if KEY not in header:
        raise DataError(f"{file} must have a column {KEY!r}, got {', '.join(header)}.")
    yield from read_delimited(file)


def _read_jsonl(file: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Cells are JSON values; null is missing."""
    with file.open(encoding="utf-8") as stream:
        for line, text in enumerate(stream, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                raise DataError(f"{file}, line {line} is no JSON: {error}.") from None
            if not isinstance(row, dict):
                raise DataError(f"{file}, line {line} must be an object, got {text.strip()[:40]}.")
            yield line, row
