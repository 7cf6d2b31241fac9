"""Which rows of a table are used: those whose cells are, or are not, what is asked for."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clarion.base.errors import DataError
from clarion.run.columns.reader import CellSource

FORM = "NAME=VALUES or NAME!=VALUES, such as index=0-4 or speaker!=theo,george"


def check_rules(rules: Sequence[str]) -> None:
    """Refuse what is no rule, before there is a table.

    Raises:
        DataError: for a text of another form.
    """
    for rule in rules:
        _parse(rule)


def choose_rows(source: CellSource, rules: Sequence[str]) -> list[int]:
    """The numbers of the rows for which all rules hold.

    Args:
        source: the table.
        rules: each "NAME=VALUES", or "NAME!=VALUES" for all others, where values are words with
            commas between them, or whole numbers from LOW to HIGH, "LOW-HIGH".

    Raises:
        DataError: for a rule of another form, an unknown column, or if no row is left.
    """
    chosen = list(range(len(source)))
    for rule in rules:
        column, is_wanted, words = _parse(rule)
        cells = source.cells(column)
        before = len(chosen)
        chosen = [i for i in chosen if _is_one_of(cells[i], words) == is_wanted]
        if not chosen:
            some = ", ".join(sorted({str(cell) for cell in cells})[:8])
            raise DataError(
                f"rows {rule!r} leaves none of {before} examples; values of {column} are {some}."
            )
    return chosen


def _parse(rule: str) -> tuple[str, bool, list[str]]:
    """Column, whether the values are wanted, and the values."""
    match = re.fullmatch(r"(\w+)(!?)=(.+)", rule)
    if match is None:
        raise DataError(f"rows are written {FORM}, got {rule!r}.")
    return match[1], not match[2], [word.strip() for word in match[3].split(",")]


def _is_one_of(cell: object, words: Sequence[str]) -> bool:
    text = str(cell)
    return any(text == word or _is_between(text, word) for word in words)


def _is_between(text: str, word: str) -> bool:
    ends = re.fullmatch(r"(\d+)-(\d+)", word)
    return bool(ends) and text.isdecimal() and int(ends[1]) <= int(text) <= int(ends[2])
