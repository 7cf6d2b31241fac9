"""Data sets on the hub, as tables of the package `datasets` (an optional dependency)."""

from __future__ import annotations

import logging
import re
from typing import Any

from clarion.base.errors import DataError
from clarion.run.columns.parquet import import_datasets, one_line


def is_hub_name(source: str) -> bool:
    """Whether `source` has the form owner/name, and so may be on the hub."""
    return re.fullmatch(r"\w[\w.-]*/\w[\w.-]*", source) is not None


def read_hub(name: str, split: str, subset: str | None) -> tuple[Any, str]:
    """A data set of the hub, from the local cache if it was fetched before, and what to call it.

    Raises:
        DataError: if it cannot be had.
    """
    datasets = import_datasets(f"The hub data set {name!r}")
    log = logging.getLogger("huggingface_hub")
    level = log.level
    log.setLevel(logging.ERROR)  # it would report each of its tries when there is no network
    try:
        table = datasets.load_dataset(name, subset, split=split)
    except Exception as error:  # several libraries lie below, each with errors of its own
        raise DataError(_hub_problem(name, error)) from error
    finally:
        log.setLevel(level)
    return table, f"{name} ({split})"


def _hub_problem(name: str, error: Exception) -> str:
    kinds = {kind.__name__ for e in _chain(error) for kind in type(e).__mro__}
    if "DatasetNotFoundError" in kinds:
        return f"There is no folder {name!r} here, and no public data set of that name on the hub."
    if kinds & {"ConnectionError", "TimeoutError", "OfflineModeIsEnabled", "TransportError"}:
        return (
            f"The data set {name!r} is not in the local cache, and the hub cannot be reached: "
            "this machine seems to be offline. Connect it once, or give a local folder as source."
        )
    return f"The hub data set {name!r} cannot be opened: {one_line(error)}"


def _chain(error: BaseException | None) -> list[BaseException]:
    chain: list[BaseException] = []
    while error is not None and error not in chain:
        chain.append(error)
        error = error.__cause__ or error.__context__
    return chain
