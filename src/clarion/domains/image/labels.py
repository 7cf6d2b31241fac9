"""The label of each picture: its class folder, or the label column of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.condition import ClassEntry, ConditionEntry
from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.image.sources import FolderSource, PictureSource
from clarion.run.columns import StoredColumn
from clarion.run.columns.classes import MOST_CLASSES_WITHOUT_NAMES

NAMED = 5  # classes named in a message; the rest are counted


def read_labels(
    source: PictureSource,
    class_names: tuple[str, ...],
    positions: Sequence[int],
    entry: ConditionEntry | None = None,
) -> StoredColumn | None:
    """The labels as a condition, or None where there are none.

    Args:
        source: where the pictures come from.
        class_names: names in the order of the numbers; () for those of the data.
        positions: numbers of the pictures in the source.
        entry: the classes of other data, those to train on, to which these belong.

    Raises:
        DataError: if the names do not fit the labels, a label cannot be a class number, or is none
            of the classes of `entry`.
    """
    labels, names = check_labels(source, class_names)
    if labels is None:
        return None
    if isinstance(entry, ClassEntry):
        number = np.array([_number_of(name, entry) for name in names], dtype=np.int64)
        unknown = np.flatnonzero(number[labels] < 0)
        if len(unknown):
            row = int(unknown[0])
            message = describe_unknown("class", names[labels[row]], list(entry.class_names))
            raise DataError(f"{source.name(row)}: {message}")
        labels, names = number[labels], entry.class_names
    kept = labels[list(positions)]
    _check_none_emptied(labels, kept, names)
    counts = Counter(kept.tolist())
    summary = {
        "kind": "class",
        "present": len(kept),
        "count": len(kept),
        "values": {name: counts[i] for i, name in enumerate(names)},
    }
    present = torch.ones(len(kept), dtype=torch.bool)
    entry = entry or ClassEntry(len(names), names)
    return StoredColumn(entry, present, summary, torch.from_numpy(kept))


def _number_of(name: str, entry: ClassEntry) -> int:
    return entry.class_names.index(name) if name in entry.class_names else -1


def check_labels(
    source: PictureSource, class_names: tuple[str, ...]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Labels numbered as `class_names` says, and one name for each class.

    Raises:
        DataError: if the names do not fit the labels, or a label cannot be a class number.
    """
    labels, known = source.labels, source.class_names
    if labels is None:
        if class_names:
            raise DataError(
                f"class_names gives {len(class_names)} names, but the pictures have no labels."
            )
        return None, ()
    if known and class_names and set(class_names) == set(known):
        number = np.array([class_names.index(name) for name in known], dtype=np.int64)
        return number[_in_range(source, labels, len(known))], class_names
    if class_names and isinstance(source, FolderSource):
        missing = sorted(set(class_names) - set(known))
        extra = sorted(set(known) - set(class_names))
        raise DataError(
            "class_names must name each class folder once; "
            f"there is no folder for {missing[:NAMED]}, and no name for {extra[:NAMED]}."
        )
    if class_names and known and len(class_names) != len(known):
        raise DataError(
            f"class_names gives {len(class_names)} names for the {len(known)} classes of the data."
        )
    names = class_names or known
    if not names:
        highest = int(labels.max())
        if highest >= max(MOST_CLASSES_WITHOUT_NAMES, len(labels)):
            raise DataError(
                f"{source.name(int(labels.argmax()))} has label {highest}, but there are only "
                f"{len(labels)} pictures; labels must be class numbers that start at 0."
            )
        names = tuple(map(str, range(highest + 1)))
    return _in_range(source, labels, len(names)), names


def _in_range(
    source: PictureSource, labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        row = int(wrong[0])
        hint = " (-1 usually marks a split without labels)" if labels[row] == -1 else ""
        raise DataError(
            f"{source.name(row)} has label {labels[row]}{hint}; labels must be in "
            f"0..{num_classes - 1}. {len(wrong)} of {len(labels)} are not."
        )
    return labels


def _check_none_emptied(
    before: NDArray[np.int64], after: NDArray[np.int64], class_names: tuple[str, ...]
) -> None:
    emptied = sorted(set(before.tolist()) - set(after.tolist()))
    if emptied:
        raise DataError(
            f"No picture of class {class_names[emptied[0]]!r} can be decoded; "
            "mend them or remove the class."
        )
