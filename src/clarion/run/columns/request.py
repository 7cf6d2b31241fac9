"""What is asked of a table's columns, as it is written in a config and typed as a flag."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clarion.base.errors import ClarionError, DataError
from clarion.base.names import NameTable
from clarion.run.columns.classes import ClassColumn, TagsColumn
from clarion.run.columns.numbers import VectorColumn
from clarion.run.columns.reader import ColumnReader
from clarion.run.columns.texts import TextColumn
from clarion.run.serialize import parse_kind

COLUMN_READERS: NameTable[type[ColumnReader]] = NameTable(
    "kind of condition",
    {"class": ClassColumn, "tags": TagsColumn, "text": TextColumn, "vector": VectorColumn},
)
"""Name -> how the cells of a column become a condition."""

FORM = "NAME=KIND or NAME=KIND:COLUMN, such as caption=text or size=vector:width+height"


def parse_requests(
    texts: Sequence[str], readers: NameTable[type[ColumnReader]] = COLUMN_READERS
) -> dict[str, ColumnReader]:
    """Read NAME=KIND:COLUMN,SETTING=VALUE,... into name -> reader.

    NAME is that of the condition. Without a COLUMN it is the column too; plus signs stand between
    several columns, or units.

    Raises:
        DataError: for a text of another form, an unknown kind or setting, or a name that comes
            twice.

    Example:
        >>> parse_requests(["body=vector:weight+height,units=kg+m"])["body"]
        VectorColumn(columns=('weight', 'height'), units=('kg', 'm'))
    """
    if isinstance(texts, str):
        raise DataError(f"conditions must be a tuple of texts, such as ({texts!r},).")
    requests: dict[str, ColumnReader] = {}
    for text in texts:
        name, equals, kind = text.partition("=")
        if not (equals and kind and re.fullmatch(r"\w+", name)):
            raise DataError(f"conditions are written {FORM}, got {text!r}.")
        if name in requests:
            raise DataError(f"conditions name {name!r} twice.")
        bare = [part for part in kind.partition(":")[2].split(",") if part and "=" not in part]
        if len(bare) > 1:
            raise DataError(
                f"conditions, {text!r}: plus signs stand between several columns, {'+'.join(bare)}."
            )
        try:
            requests[name] = parse_kind(
                ColumnReader,
                kind,
                {tuple[str, ...]: lambda value: tuple(value.split("+")), str: str},
                {ColumnReader: readers},
            )
        except ClarionError as error:
            raise DataError(f"conditions, {text!r}: {error}") from None
    return requests
