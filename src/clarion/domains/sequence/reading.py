"""Read and check a whole source of sequences."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

from clarion.base.errors import ClarionError, DataError
from clarion.base.vocabulary import PADDING, Vocabulary
from clarion.domains.sequence.alphabets import Alphabet
from clarion.domains.sequence.sequence_set import SequenceSet, smallest_type
from clarion.domains.sequence.sources import SequenceSource, find_column, read_lines
from clarion.run.columns import ColumnReader, read_columns
from clarion.run.examples import Fitted, OnProgress

T = TypeVar("T")

REPORT_EVERY = 1000  # sequences between two reports of progress


def read_rows(
    source: SequenceSource,
    title: str,
    *,
    column: str | None,
    alphabet: Alphabet,
    length: int | None,
    requests: Mapping[str, ColumnReader],
    fitted: Fitted | None,
    on_progress: OnProgress | None,
) -> SequenceSet:
    """Sequences that stand in the rows of a table, filled up to one length.

    Args:
        source: of the rows.
        title: what to call it in messages.
        column: of the sequences; None finds it.
        alphabet: cuts them into tokens; not asked where a vocabulary is fitted.
        length: in tokens; None takes that of the longest.
        requests: name -> reader of the conditions.
        fitted: on the data to train on; None fits all on these.
        on_progress: called with (sequences done, sequences in all).

    Raises:
        DataError: with file and row, for a sequence that is empty, too long or has an unknown
            letter, or for a cell of a condition that cannot be read.
    """
    column = find_column(source, title, column)
    cells = source.cells(column)

    def place(index: int) -> str:
        return f"{source.name(index)}, column {column!r}"

    spec = None if fitted is None else fitted.condition_spec
    conditions = read_columns(requests, source, range(len(source)), spec)
    known = _known(fitted)
    cut = (known or alphabet).cut
    pieces = read_each(cells, lambda cell: cut(_checked(cell)), place, on_progress)
    if fitted is None and len(set(cells)) < 2:
        raise DataError(f"{title} must have at least 2 different sequences, got 1.")
    lengths = [len(found) for found in pieces]
    length = max(lengths) if length is None else length
    for i, own in enumerate(lengths):
        if own > length:
            remedy = "take the long ones out"
            if fitted is None:
                remedy = f"set length to that (--length), or {remedy}"
            raise DataError(
                f"{place(i)}: the sequence has {own} tokens, where at most {length} are allowed. "
                f"The longest has {max(lengths)}: {remedy}."
            )
    padding = PADDING if min(lengths) < length else None
    vocabulary = known or alphabet.vocabulary(chain.from_iterable(pieces), padding)
    kind = smallest_type(vocabulary.size)
    rows = read_each(
        cells, lambda cell: torch.tensor(vocabulary.numbers(cell, length), dtype=kind), place
    )
    read = [name for key, reader in requests.items() for name in reader.columns or (key,)]
    return SequenceSet(
        vocabulary,
        length,
        torch.cat(rows),
        torch.arange(len(rows)) * length,
        conditions,
        source.name,
        tuple(zip(*map(source.cells, read), strict=True)) if read else None,
        tuple(name for name in source.columns() if name not in (column, *read)),
    )


def read_windows(
    file: Path, *, alphabet: Alphabet, length: int, stride: int, fitted: Fitted | None
) -> SequenceSet:
    """A long text, cut into windows of `length` tokens.

    A window begins at each multiple of `stride`, as long as there are enough tokens left, and the
    last one ends with the text: with a stride of at most `length` every token is in one.

    Args:
        file: the text.
        alphabet: cuts it into tokens; not asked where a vocabulary is fitted.
        length: of a window.
        stride: from the beginning of a window to that of the next, in tokens.
        fitted: on the data to train on; None fits the vocabulary on these.

    Raises:
        DataError: with file and line, for a letter that is unknown; or if the text is too short.
    """
    lines = list(read_lines(file))

    def place(index: int) -> str:
        return f"{file}, line {index + 1}"

    known = _known(fitted)
    pieces = read_each(lines, (known or alphabet).cut, place)
    count = sum(map(len, pieces))
    if count < length:
        raise DataError(
            f"{file} has {count} tokens, too few for a window of {length}: give a longer text, or "
            "a smaller length (--length)."
        )
    vocabulary = known or alphabet.vocabulary(chain.from_iterable(pieces), None)
    kind = smallest_type(vocabulary.size)
    rows = read_each(lines, lambda line: torch.tensor(vocabulary.numbers(line), dtype=kind), place)
    starts = window_starts(count, length, stride)
    return SequenceSet(
        vocabulary,
        length,
        torch.cat(rows),
        starts,
        {},
        lambda index: f"{file}, from token {int(starts[index]) + 1}",
    )


def window_starts(count: int, length: int, stride: int) -> Tensor:
    """Where windows begin in a text of `count` tokens, at least `length`: (n,) int64.

    Example:
        >>> window_starts(10, 4, 4).tolist()
        [0, 4, 6]
    """
    last = count - length
    return torch.tensor([*range(0, last, stride), last])


def read_each(
    cells: Sequence[Any],
    read: Callable[[Any], T],
    place: Callable[[int], str],
    on_progress: OnProgress | None = None,
) -> list[T]:
    """What is read out of each cell; errors begin with its place."""
    results = []
    for i, cell in enumerate(cells):
        try:
            results.append(read(cell))
        except ClarionError as error:
            raise DataError(f"{place(i)}: {error}") from None
        if on_progress is not None and (not len(results) % REPORT_EVERY or i + 1 == len(cells)):
            on_progress(i + 1, len(cells))
    return results


def _checked(cell: Any) -> str:
    if cell is None or cell == "":
        raise ClarionError("the sequence is empty; fill the cell, or take the row out.")
    if not isinstance(cell, str):
        raise ClarionError(f"a sequence must be a text, got {cell!r}.")
    return cell


def _known(fitted: Fitted | None) -> Vocabulary | None:
    """The vocabulary of the data to train on, if there are such."""
    if fitted is None:
        return None
    if not isinstance(fitted.codec, Vocabulary):
        raise DataError("These are sequences, and the data to train on are not.")
    return fitted.codec
