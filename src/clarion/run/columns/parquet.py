"""Parquet files, and tables of the package `datasets` (an optional dependency) in general.

They are kept as memory-mapped Arrow files, so any row can be had at once and the memory stays free.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown


class Table:
    """The rows and columns of a table; a `CellSource`.

    Args:
        table: a `datasets.Dataset`.
        title: what to call it in messages.
    """

    def __init__(self, table: Any, title: str) -> None:
        if not len(table):
            raise DataError(f"{title} has no rows.")
        self.table, self.title = table, title

    def __len__(self) -> int:
        return len(self.table)

    def name(self, index: int) -> str:
        return f"{self.title}, row {index}"

    def columns(self) -> tuple[str, ...]:
        """The columns that `cells` knows."""
        return tuple(self.table.features)

    def cells(self, column: str) -> list[Any]:
        self.check_column(column)
        values, names = self.arrow(column).to_pylist(), self.names_of(column)
        return [names[v] if v in range(len(names)) else v for v in values] if names else values

    def check_column(self, column: str) -> None:
        """Refuse the name of a column that there is not."""
        if column not in self.columns():
            known = list(self.columns())
            raise DataError(f"{self.title}: {describe_unknown('column', column, known)}")

    def arrow(self, column: str) -> Any:
        """A whole column, as it is stored."""
        return self.table.select_columns([column]).with_format("arrow")[:][column]

    def names_of(self, column: str) -> tuple[str, ...]:
        """Names of the classes, where `datasets` holds numbers for them."""
        return tuple(getattr(self.table.features[column], "names", None) or ())


def read_parquet(files: list[Path]) -> tuple[Any, str]:
    """Parquet files as one `datasets.Dataset` in the order given, and what to call it.

    Raises:
        DataError: if a file is damaged, or none has rows.
    """
    title = str(files[0]) if len(files) == 1 else f"{files[0].parent} ({len(files)} parquet files)"
    datasets = import_datasets(title)
    # `datasets` cannot read files without rows, which writers of many files leave behind.
    names = [str(file.resolve()) for file in files if _count_rows(file)]
    if not names:
        raise DataError(f"{title} has no rows.")
    show_bars = not datasets.are_progress_bars_disabled()
    datasets.disable_progress_bars()  # this takes seconds, and what is read has a bar of its own
    try:
        table = datasets.load_dataset("parquet", data_files={"train": names}, split="train")
    except Exception as error:  # several libraries lie below, each with errors of its own
        raise DataError(f"{title} cannot be read as parquet: {one_line(error)}") from error
    finally:
        if show_bars:
            datasets.enable_progress_bars()
    return table, title


def holds_pictures(file: Path) -> bool:
    """Whether a parquet file has a column of bytes, or no columns that can be read."""
    try:
        from pyarrow import ArrowException, parquet, types
    except ImportError:
        return True
    try:
        schema = parquet.read_schema(file)
    except (ArrowException, OSError):
        return True
    return any(types.is_struct(f.type) or types.is_binary(f.type) for f in schema)


def import_datasets(what: str) -> Any:
    """The package `datasets`, or a DataError that says how to install it."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"{what} is read by the package `datasets`, which is not installed. "
            "Install it with: pip install 'clarion[data]'"
        ) from None
    return datasets


def one_line(error: BaseException) -> str:
    """What an error of `datasets` says."""
    # It wraps what went wrong in an error that says only that something did.
    inner = error.__cause__ or error
    return " ".join(f"{type(inner).__name__}: {inner}".split())[:300]


def _count_rows(file: Path) -> int:
    from pyarrow import ArrowException, parquet  # `datasets` stands on it

    try:
        return parquet.read_metadata(file).num_rows
    except (ArrowException, OSError) as error:
        raise DataError(
            f"{file} ({file.stat().st_size} bytes) is no parquet file, or one that was cut off: "
            f"{one_line(error)}"
        ) from error
