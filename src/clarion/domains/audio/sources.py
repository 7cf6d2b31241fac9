"""Where sounds come from: folders of files, and tables with a column of them, here or on the hub.

Everything is in sorted order, so sound number `i` is the same on every machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.audio.librispeech import is_librispeech, librispeech_columns
from clarion.domains.audio.sound_file import SUFFIXES
from clarion.run.columns import CellSource
from clarion.run.columns.hub import is_hub_name, read_hub
from clarion.run.columns.metadata import Metadata
from clarion.run.columns.parquet import Table, read_parquet

LABEL = "label"
"""Column that says in which folder a sound lies."""


class SoundSource(CellSource, Protocol):
    """Numbered sounds, not yet decoded, and what is known of them in columns."""

    def columns(self) -> tuple[str, ...]:
        """The columns that `cells` knows."""
        ...

    def fetch(self, index: int) -> Path | bytes:
        """One of them, as `read_sound` takes it."""
        ...


class FolderSource:
    """Files, what their names and folders say of them, and `metadata.csv` or `metadata.jsonl`.

    Args:
        folder: where they lie, at any depth.
        paths: of the files.
        told: column -> a cell for each file, from names and folders.
    """

    def __init__(self, folder: Path, paths: list[Path], told: Mapping[str, Sequence[str]]) -> None:
        self._paths, self._told = paths, told
        self._metadata = Metadata(folder, paths)
        twice = sorted(set(told) & set(self._metadata.columns()))
        if twice:
            raise DataError(
                f"{self._metadata.file} has a column {twice[0]!r}, which the names of the files "
                "tell, too; rename one of them."
            )

    def __len__(self) -> int:
        return len(self._paths)

    def name(self, index: int) -> str:
        return str(self._paths[index])

    def fetch(self, index: int) -> Path:
        return self._paths[index]

    def columns(self) -> tuple[str, ...]:
        return (*self._told, *self._metadata.columns())

    def cells(self, column: str) -> Sequence[Any]:
        if column in self._told:
            return self._told[column]
        if self._told and column not in self._metadata.columns():
            known = list(self.columns())
            raise DataError(f"{self._paths[0].parent}: {describe_unknown('column', column, known)}")
        return self._metadata.cells(column)


class SoundTable(Table):
    """The rows of a table of the package `datasets`, one of whose columns holds sounds.

    Args:
        table: a `datasets.Dataset`.
        title: what to call it in messages.
        audio_column: of the sounds; None finds it.
    """

    def __init__(self, table: Any, title: str, audio_column: str | None) -> None:
        import datasets

        super().__init__(table, title)
        self._column = _find_audio_column(table.features, title, audio_column)
        self._rows = table.select_columns([self._column])
        if type(table.features[self._column]).__name__ == "Audio":
            undecoded = datasets.Audio(decode=False)
            self._rows = self._rows.cast_column(self._column, undecoded)

    def name(self, index: int) -> str:
        cell = self._rows[index][self._column]
        path = cell["path"] if isinstance(cell, dict) else None
        return f"{self.title}, row {index}" + (f" ({path})" if path else "")

    def columns(self) -> tuple[str, ...]:
        return tuple(name for name in self.table.features if name != self._column)

    def fetch(self, index: int) -> Path | bytes:
        cell = self._rows[index][self._column]
        if isinstance(cell, dict):
            cell = cell["bytes"] or (Path(cell["path"]) if cell["path"] else None)
        return b"" if cell is None else cell


def open_source(
    source: str,
    *,
    split: str = "train",
    subset: str | None = None,
    name_pattern: str | None = None,
    audio_column: str | None = None,
) -> SoundSource:
    """Find out what `source` is and open it; see `AudioData` for what it may be.

    Raises:
        DataError: if there is no such thing, or it cannot be used as it is.
    """
    path = Path(source).expanduser()
    if not path.exists() and is_hub_name(source):
        return SoundTable(*read_hub(source, split, subset), audio_column)
    if (split, subset) != ("train", None):
        raise DataError(f"split and subset are for data sets of the hub, and {source!r} is none.")
    if path.is_file() and path.suffix.lower() in SUFFIXES:
        return FolderSource(path.parent, [path], _told(path.parent, [path], name_pattern))
    tables = [path] if path.is_file() else sorted(path.glob("*.parquet"))
    if tables:
        others = [file for file in tables if file.suffix != ".parquet"]
        if others:
            raise DataError(
                f"{others[0]} is no source of sounds: name a folder, a file of sound "
                f"({' '.join(SUFFIXES)}) or parquet files."
            )
        table, title = read_parquet(tables)
        return SoundTable(table, title, audio_column)
    if not path.is_dir():
        raise DataError(
            f"There is no folder or file {source!r}, and a name on the hub has the form owner/name."
        )
    if audio_column is not None:
        raise DataError(f"audio_column is for tables, and {path} is a folder of files.")
    paths = sounds_below(path)
    if not paths:
        raise DataError(
            f"No sounds found in {path}. Known endings: {' '.join(SUFFIXES)}; also read: *.parquet."
        )
    return FolderSource(path, paths, _told(path, paths, name_pattern))


def holds_sounds(source: str) -> bool:
    """Whether a source is one of sounds: a file of sound, a folder or a table of them."""
    path = Path(source).expanduser()
    if path.is_dir():
        tables = sorted(path.glob("*.parquet"))
        return _has_audio_column(tables[0]) if tables else bool(sounds_below(path))
    if path.is_file() and path.suffix == ".parquet":
        return _has_audio_column(path)
    return path.is_file() and path.suffix.lower() in SUFFIXES


def sounds_below(folder: Path, endings: Sequence[str] = SUFFIXES) -> list[Path]:
    """All files of sound in a folder and those within it, or those of other endings."""
    found = []
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = [name for name in subfolders if not name.startswith(".")]
        found += [
            Path(parent, name)
            for name in names
            if Path(name).suffix.lower() in endings and not name.startswith(".")
        ]
    return sorted(found)


def _told(folder: Path, paths: Sequence[Path], pattern: str | None) -> dict[str, list[str]]:
    """What names and folders say: column -> a cell for each file."""
    if pattern is not None:
        return _from_names(paths, pattern)
    if is_librispeech(paths):
        return librispeech_columns(paths)
    parents = [path.relative_to(folder).parts[:-1] for path in paths]
    return {LABEL: [parts[0] for parts in parents]} if all(parents) else {}


def _from_names(paths: Sequence[Path], pattern: str) -> dict[str, list[str]]:
    """The parts of names, without their endings, that stand for columns.

    Raises:
        DataError: for a pattern of no columns, or a name of another form.
    """
    names = re.findall(r"\{(\w+)\}", pattern)
    if not names or len(set(names)) < len(names):
        raise DataError(
            "name_pattern must name columns in braces, each once, such as "
            f"'{{digit}}_{{speaker}}_{{index}}', got {pattern!r}."
        )
    parts = re.split(r"\{\w+\}", pattern)
    form = "(.+?)".join(re.escape(part) for part in parts)
    rows = []
    for path in paths:
        match = re.fullmatch(form, path.stem)
        if match is None:
            raise DataError(f"{path} is not called as name_pattern {pattern!r} says.")
        rows.append(match.groups())
    return {name: list(cells) for name, cells in zip(names, zip(*rows, strict=True), strict=True)}


def _find_audio_column(features: Any, title: str, wanted: str | None) -> str:
    found = [name for name in features if _is_audio(features[name])]
    if wanted is not None and wanted not in found:
        raise DataError(f"{title}: {describe_unknown('audio_column', wanted, found)}")
    if wanted is None and len(found) != 1:
        what = f"several columns of sounds ({', '.join(found)})" if found else "no column of sounds"
        raise DataError(f"{title} has {what}; choose one with audio_column.")
    return wanted or found[0]


def _is_audio(feature: Any) -> bool:
    is_struct = isinstance(feature, dict) and {"bytes", "path"} <= set(feature)
    is_bytes = getattr(feature, "dtype", None) in ("binary", "large_binary")
    return type(feature).__name__ == "Audio" or is_struct or is_bytes


def _has_audio_column(file: Path) -> bool:
    """Whether a parquet file says of a column, in the words of `datasets`, that it is sound."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        return False
    try:
        told = parquet.read_schema(file).metadata or {}
    except (ArrowException, OSError):
        return False
    return b'"_type": "Audio"' in told.get(b"huggingface", b"")
