"""Conditions out of the columns of people's tables.

What is asked for is written NAME=KIND:COLUMN, such as `caption=text` or
`body=vector:weight+height,units=kg+m`, and read by the `ColumnReader` of that kind. A cell that is
missing makes the condition absent for that example.
"""

from clarion.run.columns.column import Column, StoredColumn, batch_of
from clarion.run.columns.reader import CellSource, ColumnReader, read_columns
from clarion.run.columns.request import COLUMN_READERS, parse_requests
from clarion.run.columns.words import describe_column

__all__ = [
    "COLUMN_READERS",
    "CellSource",
    "Column",
    "ColumnReader",
    "StoredColumn",
    "batch_of",
    "describe_column",
    "parse_requests",
    "read_columns",
]
