"""Pictures in the rows of a table: parquet files, and data sets on the hub.

Both are read by `datasets` (an optional dependency), which keeps them as memory-mapped Arrow files,
so any row can be had at once and the memory stays free.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.image.decoding import Piece
from clarion.run.columns.hub import read_hub
from clarion.run.columns.parquet import Table, read_parquet


class TableSource(Table):
    """Pictures from one column of a table, labels from another.

    Args:
        table: a `datasets.Dataset`.
        title: what to call the table in messages.
        image_column: None finds it by type.
        label_column: None takes "label", else the only column of class labels, else no labels.
    """

    def __init__(
        self, table: Any, title: str, *, image_column: str | None, label_column: str | None
    ) -> None:
        import datasets

        super().__init__(table, title)
        image_column = _find_image_column(table.features, title, image_column)
        self.label_column = _find_label_column(table.features, title, label_column)
        self._rows = table.select_columns([image_column]).cast_column(
            image_column, datasets.Image(decode=False)
        )
        self._column = image_column

    @property
    def labels(self) -> NDArray[np.int64] | None:
        return self._labels[0]

    @property
    def class_names(self) -> tuple[str, ...]:
        return self._labels[1]

    @cached_property
    def _labels(self) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
        name = self.label_column
        if name is None:
            return None, ()
        title = f"{self.title}, column {name!r}"
        return _read_labels(self.arrow(name), title, self.names_of(name))

    def name(self, index: int) -> str:
        path = (self._rows[index][self._column] or {}).get("path")
        return f"{self.title}, row {index}" + (f" ({path})" if path else "")

    def fetch(self, indices: Sequence[int]) -> list[Piece]:
        cells = self._rows[list(indices)][self._column]
        return [_as_piece(cell) for cell in cells]

    def decoded(self) -> None:
        return None

    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.features if name != self._column)

    def pieces(self, column: str) -> list[Piece | None]:
        self.check_column(column)
        feature = self.table.features[column]
        if not (_is_picture(feature) or _is_bytes(feature)):
            raise DataError(
                f"{self.title}: column {column!r} holds {_type_name(feature)}, not pictures."
            )
        cells = self.arrow(column).to_pylist()
        return [None if cell is None else _as_piece(cell) for cell in cells]


def _as_piece(cell: dict[str, Any] | bytes | None) -> Piece:
    if cell is None or isinstance(cell, bytes):
        return cell or b""
    if cell["bytes"] is None and cell["path"]:
        return Path(cell["path"])
    return cell["bytes"] or b""


def open_parquet(
    files: list[Path], *, image_column: str | None, label_column: str | None
) -> TableSource:
    """Open parquet files as one table, in the order given.

    Raises:
        DataError: if a file is damaged, or there is no column of pictures.
    """
    table, title = read_parquet(files)
    return TableSource(table, title, image_column=image_column, label_column=label_column)


def open_hub(
    name: str,
    *,
    split: str,
    subset: str | None,
    image_column: str | None,
    label_column: str | None,
) -> TableSource:
    """Open a data set of the hub, from the local cache if it was fetched before.

    Raises:
        DataError: if it cannot be had, or there is no column of pictures.
    """
    table, title = read_hub(name, split, subset)
    return TableSource(table, title, image_column=image_column, label_column=label_column)


def _find_image_column(features: Any, title: str, wanted: str | None) -> str:
    if wanted is not None:
        if wanted not in features:
            raise DataError(f"{title}: {describe_unknown('image_column', wanted, list(features))}")
        if not (_is_picture(features[wanted]) or _is_bytes(features[wanted])):
            raise DataError(
                f"{title}: image_column {wanted!r} holds {_type_name(features[wanted])}, "
                "not pictures."
            )
        return wanted
    found = [n for n in features if _is_picture(features[n])]
    found = found or [n for n in features if _is_bytes(features[n])]
    if "image" in found or len(found) == 1:
        return "image" if "image" in found else found[0]
    if found:
        raise DataError(
            f"{title} has several columns of pictures ({', '.join(found)}); "
            "choose one with image_column."
        )
    columns = ", ".join(f"{n} ({_type_name(features[n])})" for n in features)
    raise DataError(f"{title} has no column of pictures. Its columns: {columns}.")


def _find_label_column(features: Any, title: str, wanted: str | None) -> str | None:
    if wanted is not None:
        if wanted not in features:
            raise DataError(f"{title}: {describe_unknown('label_column', wanted, list(features))}")
        return wanted
    if "label" in features:
        return "label"
    found = [n for n in features if type(features[n]).__name__ == "ClassLabel"]
    if len(found) > 1:
        raise DataError(
            f"{title} has several columns of class labels ({', '.join(found)}); "
            "choose one with label_column."
        )
    return found[0] if found else None


def _is_picture(feature: Any) -> bool:
    has_struct = isinstance(feature, dict) and {"bytes", "path"} <= set(feature)
    return has_struct or type(feature).__name__ == "Image"


def _is_bytes(feature: Any) -> bool:
    return getattr(feature, "dtype", None) in ("binary", "large_binary")


def _type_name(feature: Any) -> str:
    return str(getattr(feature, "dtype", None) or type(feature).__name__)


def _read_labels(
    column: Any, title: str, names: tuple[str, ...]
) -> tuple[NDArray[np.int64], tuple[str, ...]]:
    """Labels as (n,) int64, and the class names; words are numbered in sorted order."""
    kind = str(column.type)
    if column.null_count:
        row = column.is_null().to_pylist().index(True)
        raise DataError(
            f"{title}: {column.null_count} rows have no label, such as row {row}. To leave them "
            "without, set conditions to label=class (--conditions label=class)."
        )
    if kind in ("string", "large_string"):
        words, labels = np.unique(np.asarray(column.to_pylist()), return_inverse=True)
        return labels.astype(np.int64), tuple(map(str, words))
    if not kind.startswith(("int", "uint", "bool")):
        raise DataError(
            f"{title}: labels must be whole numbers or words, got {kind}, "
            f"such as {column[0].as_py()!r}."
        )
    return np.asarray(column.to_pylist(), dtype=np.int64), names
