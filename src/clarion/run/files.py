"""Files that are either whole or not there.

Everything is written under a temporary name beside its place and renamed when it is complete, so a
full disk or a kill leaves what was there before as it was. Nothing is ever pickled.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

from clarion.base.errors import CheckpointError


def write_bytes(path: Path, content: bytes) -> None:
    """Replace a file by new content, durably and in one go.

    Raises:
        CheckpointError: if it cannot be written; what stood there before is untouched.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise CheckpointError(
            f"Could not write {path}: {error.strerror}. What stood there before is untouched."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON; see `write_bytes`."""
    try:
        text = json.dumps(value, indent=2, allow_nan=False)
    except ValueError:
        raise CheckpointError(
            f"Could not write {path}: JSON has no infinite numbers and no NaN, got {value}."
        ) from None
    write_bytes(path, f"{text}\n".encode())


def write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """Write named tensors as safetensors; see `write_bytes`."""
    write_bytes(path, tensors_to_bytes({k: v.detach().contiguous() for k, v in tensors.items()}))


def write_folder(path: Path, write: Callable[[Path], None]) -> None:
    """Fill a folder under a temporary name, then rename it; an existing one is replaced.

    A folder cannot be renamed over a full one, so the earlier one steps aside first. A kill in that
    instant leaves it whole as `.<name>.earlier`, and the next call for this path puts it back.

    Args:
        path: where the folder shall stand.
        write: called with the temporary folder, writes its files.

    Raises:
        CheckpointError: if it cannot be written; what stood there before is untouched.
    """
    partial, earlier = (path.with_name(f".{path.name}.{role}") for role in ("partial", "earlier"))
    _settle(path, earlier)
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
        write(partial)
        if path.exists():
            path.replace(earlier)
        partial.replace(path)
        _sync_folder(path.parent)
    except (OSError, CheckpointError) as error:
        cause = error if isinstance(error, OSError) else error.__cause__
        if not isinstance(cause, OSError):
            raise
        raise CheckpointError(
            f"Could not write {path}: {cause.strerror}. What stood there before is untouched."
        ) from cause
    finally:
        _settle(path, earlier)
        shutil.rmtree(partial, ignore_errors=True)


def _settle(path: Path, earlier: Path) -> None:
    """Clear away what stepped aside or, if nothing took its place, put it back."""
    if path.exists():
        shutil.rmtree(earlier, ignore_errors=True)
    elif earlier.exists():
        earlier.replace(path)


def _sync_folder(path: Path) -> None:
    """Make the names within a folder durable; the files themselves are synced when written."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        CheckpointError: if the file is missing or is no JSON.
    """
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        raise CheckpointError(f"{path} is missing.") from None
    except NotADirectoryError:
        raise CheckpointError(f"{path.parent} is a file, and a folder is wanted.") from None
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}.") from None


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read safetensors.

    Raises:
        CheckpointError: if the file is missing, truncated or of another format.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing.")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path} is truncated or no safetensors file: {error}.") from None


def check_tensors(where: Path, given: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Refuse tensors whose names or shapes differ from those expected.

    Raises:
        CheckpointError: with the names of up to three that are missing, extra, or misshapen.
    """
    misshapen = [
        f"{name} has shape {tuple(given[name].shape)}, not {tuple(expected[name].shape)}"
        for name in expected
        if name in given and given[name].shape != expected[name].shape
    ]
    problems = {
        "lacks": [name for name in expected if name not in given],
        "has unknown": [name for name in given if name not in expected],
        "does not fit:": misshapen,
    }
    for problem, names in problems.items():
        if names:
            more = f" and {len(names) - 3} more" if len(names) > 3 else ""
            raise CheckpointError(f"{where} {problem} {', '.join(names[:3])}{more}.")
