"""Where things are kept that can be had again: weights that others trained, numbers of data."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

VARIABLE = "CLARION_CACHE"


def cache_folder() -> Path:
    """The folder that CLARION_CACHE names, or `clarion` where this system keeps such things."""
    named = os.environ.get(VARIABLE)
    if named:
        return Path(named).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "clarion"


def sha256_of(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
