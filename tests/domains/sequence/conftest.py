"""Files of sequences, made on the spot."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture
def table(tmp_path: Path) -> Callable[..., Path]:
    """table("name.csv", sequence=[...], score=[...]): a table, compressed if its name says so."""

    def write(name: str, **columns: list[Any]) -> Path:
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter="\t" if ".tsv" in name else ",")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
        raw = stream.getvalue().encode()
        (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
        return tmp_path / name

    return write
