"""Versions of what a number was computed with, which every card keeps."""

from __future__ import annotations

import importlib.metadata
import platform

from clarion.base.version import VERSION


def versions(*packages: str) -> dict[str, str]:
    """Clarion's, Python's, torch's, numpy's, and those of other packages where they are installed.

    Example:
        >>> sorted(versions("pillow"))
        ['clarion', 'numpy', 'pillow', 'python', 'torch']
    """
    found = {"clarion": VERSION, "python": platform.python_version()}
    for package in ("torch", "numpy", *packages):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
