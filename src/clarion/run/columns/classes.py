"""Classes and tags: words out of a set that is fitted on the data."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition import ClassEntry, ConditionEntry, TagsEntry
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown
from clarion.run.columns.reader import BadValueError, ColumnReader, is_missing, shown

MOST_CLASSES_WITHOUT_NAMES = 1000  # above this, whole numbers must not outnumber the examples


@dataclass(frozen=True)
class ClassColumn(ColumnReader):
    """One class a cell: a word, or a whole number from 0 on; words are numbered in sorted order."""

    kind = "class"
    entry_type = ClassEntry

    def parse(self, cells: tuple[Any, ...]) -> str | None:
        (cell,) = cells
        if is_missing(cell):
            return None
        if isinstance(cell, bool):
            return str(cell).lower()
        if isinstance(cell, int) or (isinstance(cell, float) and cell.is_integer()):
            cell = str(int(cell))
        if isinstance(cell, str) and cell.strip() and not re.fullmatch(r"\s*-\d+\s*", cell):
            return cell.strip()
        raise ClarionError(
            f"a class must be a word, or a whole number from 0 on, got {shown(cell)}; leave the "
            "cell empty where there is none."
        )

    def fit(self, name: str, values: Sequence[str]) -> ClassEntry:
        words = sorted(set(values))
        if all(re.fullmatch(r"0|[1-9]\d*", word) for word in words):
            highest = max(map(int, words))
            if highest >= max(MOST_CLASSES_WITHOUT_NAMES, len(values)):
                raise ClarionError(
                    f"Condition {name!r} has the value {highest}, but only {len(values)} values: "
                    "whole numbers must be those of classes, from 0 on. Read it as a vector?"
                )
            words = [str(number) for number in range(highest + 1)]
        return ClassEntry(len(words), tuple(words))

    def encode(self, entry: ClassEntry, name: str, values: Sequence[str]) -> Tensor:
        number = {word: i for i, word in enumerate(entry.class_names)}
        for i, value in enumerate(values):
            if value not in number:
                raise BadValueError(i, describe_unknown(f"class of {name}", value, list(number)))
        return torch.tensor([number[value] for value in values], dtype=torch.int64)

    def describe(self, entry: ClassEntry, values: Sequence[str]) -> dict[str, Any]:
        counts = Counter(values)
        return {"values": {word: counts[word] for word in entry.class_names}}


@dataclass(frozen=True)
class TagsColumn(ColumnReader):
    """Any number of words a cell: a list, or a text with commas or semicolons between them."""

    kind = "tags"
    entry_type = TagsEntry

    def parse(self, cells: tuple[Any, ...]) -> tuple[str, ...] | None:
        (cell,) = cells
        if is_missing(cell):
            return None
        if isinstance(cell, str):
            cell = [tag for tag in re.split("[,;]", cell) if tag.strip()]
        if not isinstance(cell, list | tuple) or not all(isinstance(tag, str) for tag in cell):
            raise ClarionError(
                f"tags must be a list of words, or one text of them, got {shown(cell)}."
            )
        tags = tuple(dict.fromkeys(tag.strip() for tag in cell))
        if tags:
            TagsEntry(tags)  # a name that a tag cannot have is refused here
        return tags

    def fit(self, name: str, values: Sequence[tuple[str, ...]]) -> ConditionEntry:
        tags = sorted({tag for value in values for tag in value})
        if not tags:
            raise ClarionError(f"Condition {name!r} has no tag in any of {len(values)} rows.")
        return TagsEntry(tuple(tags))

    def encode(self, entry: TagsEntry, name: str, values: Sequence[tuple[str, ...]]) -> Tensor:
        number = {tag: i for i, tag in enumerate(entry.tag_names)}
        flags = torch.zeros(len(values), entry.num_tags, dtype=torch.bool)
        for row, value in enumerate(values):
            for tag in value:
                if tag not in number:
                    raise BadValueError(row, describe_unknown(f"tag of {name}", tag, list(number)))
                flags[row, number[tag]] = True
        return flags

    def describe(self, entry: TagsEntry, values: Sequence[tuple[str, ...]]) -> dict[str, Any]:
        counts = Counter(tag for value in values for tag in value)
        return {"values": {tag: counts[tag] for tag in entry.tag_names}}
