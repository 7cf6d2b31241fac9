"""Where pictures come from: what every source offers, folders of pictures, and how one is chosen.

Everything is in sorted order, so picture number `i` is the same on every machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.image.arrays import open_npz
from clarion.domains.image.decoding import PICTURE_ENDINGS, Piece
from clarion.domains.image.idx import has_idx, open_idx
from clarion.domains.image.tables import open_hub, open_parquet
from clarion.run.columns import CellSource
from clarion.run.columns.hub import is_hub_name
from clarion.run.columns.metadata import Metadata

SPLIT_NAMES = ("train", "training", "val", "valid", "validation", "dev", "test", "testing")


class PictureSource(CellSource, Protocol):
    """Numbered pictures, not yet decoded, and what is known of them.

    `labels` is (n,) int64 or None; `class_names` may be empty where the data have no names.
    """

    @property
    def labels(self) -> NDArray[np.int64] | None: ...

    @property
    def class_names(self) -> tuple[str, ...]: ...

    @property
    def label_column(self) -> str | None:
        """The column that holds the labels, if one does."""
        ...

    def columns(self) -> tuple[str, ...]:
        """The columns that `cells` knows."""
        ...

    def pieces(self, column: str) -> list[Piece | None]:
        """The cells of a column of further pictures, encoded; None where one is missing."""
        ...

    def fetch(self, indices: Sequence[int]) -> list[Piece]:
        """Some of the pictures, encoded."""
        ...

    def decoded(self) -> NDArray[np.uint8] | None:
        """All pictures as (n, H, W, C), if the source holds them so, else None."""
        ...


class FolderSource:
    """Picture files, with the folder of each as its class where there are class folders.

    What else is known of them stands in `metadata.csv` or `metadata.jsonl`.
    """

    label_column = None

    def __init__(
        self,
        folder: Path,
        paths: list[Path],
        labels: NDArray[np.int64] | None = None,
        class_names: tuple[str, ...] = (),
    ) -> None:
        self.labels = labels
        self.class_names = class_names
        self._folder = folder
        self._paths = paths
        self._metadata = Metadata(folder, paths)

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, index: int) -> str:
        return str(self._paths[index])

    def fetch(self, indices: Sequence[int]) -> list[Piece]:
        return [self._paths[i] for i in indices]

    def decoded(self) -> None:
        return None

    def columns(self) -> tuple[str, ...]:
        return self._metadata.columns()

    def cells(self, column: str) -> list[Any]:
        return self._metadata.cells(column)

    def pieces(self, column: str) -> list[Piece | None]:
        cells = self._metadata.cells(column)
        for path, cell in zip(self._paths, cells, strict=True):
            if not isinstance(cell, str | None):
                raise DataError(f"{path}, column {column!r}: it must name a file, got {cell!r}.")
        return [None if cell is None else self._folder / cell for cell in cells]


def open_source(
    source: str,
    *,
    split: str = "train",
    subset: str | None = None,
    image_column: str | None = None,
    label_column: str | None = None,
) -> PictureSource:
    """Find out what `source` is and open it; see `ImageData` for what it may be.

    Raises:
        DataError: if there is no such thing, or it cannot be used as it is.
    """
    path = Path(source).expanduser()
    columns = {"image_column": image_column, "label_column": label_column}
    try:
        if path.is_dir():
            if has_idx(path):
                return open_idx(path, split)
            if any(path.glob("*.parquet")):
                return open_parquet(_parquet_of_split(path, split), **columns)
            return open_folder(path, split)
        if path.is_file() and path.suffix == ".npz":
            return open_npz(path)
        if path.is_file() or _is_glob(source):
            return open_parquet(_named_parquet(path, split), **columns)
    except PermissionError as error:
        raise DataError(f"{error.filename or path} may not be read by this user.") from error
    if not is_hub_name(source):
        raise DataError(
            f"No folder or file {source!r}. source may be a folder, parquet files, or a hub name "
            "of the form owner/name."
        )
    return open_hub(source, split=split, subset=subset, **columns)


def open_folder(folder: Path, split: str) -> FolderSource:
    """Open a folder of class folders, or a folder of pictures.

    Class folders are searched in depth. They are numbered in the order of their names, or of their
    values if all are numbers. If all subfolders are called like splits ("train", "val", "test"),
    the one called `split` is opened.

    Raises:
        DataError: if there are no pictures, or it is not clear which class they belong to.
    """
    subfolders = sorted(p for p in folder.iterdir() if p.is_dir() and not _is_hidden(p))
    if subfolders and all(p.name.lower() in SPLIT_NAMES for p in subfolders):
        by_name = {p.name: p for p in subfolders}
        if split not in by_name:
            raise DataError(f"{folder}: {describe_unknown('split', split, list(by_name))}")
        return open_folder(by_name[split], "train")
    if split != "train":
        raise DataError(
            f"split is {split!r}, but {folder} has no folders called like splits "
            f"({', '.join(SPLIT_NAMES)})."
        )
    loose = sorted(p for p in folder.iterdir() if _is_picture(p))
    per_class = {p: _pictures_below(p) for p in _in_class_order(subfolders)}
    if not loose and not any(per_class.values()):
        raise DataError(
            f"No pictures found in {folder}. Known endings: {' '.join(PICTURE_ENDINGS)}; "
            "also read: *.parquet, *.npz, idx files."
        )
    if not any(per_class.values()):
        return FolderSource(folder, loose)
    if loose:
        raise DataError(
            f"{folder} holds class folders and also {len(loose)} pictures of no class, such as "
            f"{loose[0].name}; move these out or into a class folder."
        )
    empty = [p.name for p, paths in per_class.items() if not paths]
    if empty:
        raise DataError(
            f"{len(empty)} of the {len(per_class)} class folders in {folder} hold no pictures: "
            f"{', '.join(empty[:5])}{' ...' if len(empty) > 5 else ''}. Remove or fill them."
        )
    counts = [len(paths) for paths in per_class.values()]
    return FolderSource(
        folder,
        [path for paths in per_class.values() for path in paths],
        np.repeat(np.arange(len(counts), dtype=np.int64), counts),
        tuple(p.name for p in per_class),
    )


def _in_class_order(folders: list[Path]) -> list[Path]:
    if all(p.name.isdecimal() for p in folders):
        return sorted(folders, key=lambda p: (int(p.name), p.name))
    return folders


def _pictures_below(folder: Path) -> list[Path]:
    found = []
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not _is_hidden(Path(name))]
        found += [Path(parent, name) for name in names]
    return sorted(path for path in found if _is_picture(path, is_file=True))


def _is_picture(path: Path, is_file: bool = False) -> bool:
    has_ending = path.suffix.lower() in PICTURE_ENDINGS and not _is_hidden(path)
    return has_ending and (is_file or path.is_file())


def _is_hidden(path: Path) -> bool:
    return path.name.startswith(".") or path.name == "__MACOSX"


def _is_glob(source: str) -> bool:
    return any(character in source for character in "*?[")


def _named_parquet(path: Path, split: str) -> list[Path]:
    """The parquet files that a path or a pattern names."""
    anchor = Path(path.anchor)
    files = [path] if path.is_file() else sorted(anchor.glob(str(path.relative_to(anchor))))
    if not files:
        raise DataError(f"No file matches source {str(path)!r}.")
    others = [file for file in files if file.suffix != ".parquet"]
    if others:
        raise DataError(
            f"source must be a folder, parquet files, or a hub name; {others[0]} is none of these."
        )
    if split != "train":
        raise DataError(
            f"split is {split!r}, but files named one by one have no splits; "
            "name the files of that split as source, and leave split at 'train'."
        )
    return files


def _parquet_of_split(folder: Path, split: str) -> list[Path]:
    """Files called `<split>.parquet` or `<split>-...`; if none is called so, all are "train"."""
    by_split: dict[str, list[Path]] = {}
    for file in sorted(folder.glob("*.parquet")):
        match = re.match(rf"({'|'.join(SPLIT_NAMES)})(?![a-z])", file.stem, re.IGNORECASE)
        by_split.setdefault(match[1] if match else "train", []).append(file)
    if split not in by_split:
        raise DataError(f"{folder}: {describe_unknown('split', split, list(by_split))}")
    return by_split[split]
