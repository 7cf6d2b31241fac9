"""Pictures that lie decoded in memory, and files of arrays (.npz)."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.domains.image.decoding import Piece

PICTURES = ("images", "samples", "arr_0")
LABELS = ("labels", "arr_1")
"""Names of the arrays in a file, the first that is there counts."""


class ArraySource:
    """Decoded pictures, and labels where there are any.

    Args:
        pixels: (n, height, width, channels).
        labels: (n,), or None.
        path: where they were read, for messages.
    """

    label_column = None
    class_names: tuple[str, ...] = ()

    def __init__(
        self, pixels: NDArray[np.uint8], labels: NDArray[np.int64] | None, path: Path
    ) -> None:
        self.labels = labels
        self._pixels, self._path = pixels, path

    def __len__(self) -> int:
        return len(self._pixels)

    def name(self, index: int) -> str:
        return f"{self._path}[{index}]"

    def fetch(self, indices: Sequence[int]) -> list[Piece]:
        return [self._pixels[i].squeeze(-1) if self._is_grey else self._pixels[i] for i in indices]

    def decoded(self) -> NDArray[np.uint8]:
        return self._pixels

    def columns(self) -> tuple[str, ...]:
        return ()

    def cells(self, column: str) -> list[Any]:
        raise DataError(f"There is no column {column!r}: {self._path} holds pictures only.")

    def pieces(self, column: str) -> list[Piece | None]:
        return self.cells(column)

    @property
    def _is_grey(self) -> bool:
        return self._pixels.shape[-1] == 1


def read_npz(path: Path, without: str = "") -> dict[str, NDArray[Any]]:
    """All arrays of a file, by name, but for one that is too large.

    Raises:
        DataError: if it is no such file, or holds Python's objects.
    """
    with _reading(path), path.open("rb") as opened, np.load(opened) as file:
        return {name: file[name] for name in file if name != without}


class StoredArray:
    """An array of a file, of which some rows are read at a time.

    Args:
        path: the file.
        name: of the array, which must be there.

    Raises:
        DataError: if it cannot be read.
    """

    def __init__(self, path: Path, name: str) -> None:
        self._path, self._name = path, name
        with self._opened() as stream:
            self.shape, self._is_fortran, self.dtype = _header(stream)

    @classmethod
    def find(cls, path: Path, name: str) -> StoredArray | None:
        """The array of that name, if the file holds one."""
        with _reading(path), zipfile.ZipFile(path) as file:
            is_there = f"{name}.npy" in file.namelist()
        return cls(path, name) if is_there else None

    def parts(self, num_rows: int) -> Iterator[NDArray[Any]]:
        """The rows in their order, at most so many at a time."""
        if self._is_fortran:  # rows do not stand one after the other
            whole = read_npz(self._path)[self._name]
            yield from np.array_split(whole, range(num_rows, len(whole), num_rows))
            return
        with self._opened() as stream:
            _header(stream)
            for start in range(0, self.shape[0], num_rows):
                shape = (min(num_rows, self.shape[0] - start), *self.shape[1:])
                content = stream.read(math.prod(shape) * self.dtype.itemsize)
                yield np.frombuffer(content, self.dtype).reshape(shape)

    @contextmanager
    def _opened(self) -> Iterator[IO[bytes]]:
        name = f"{self._name}.npy"
        with _reading(self._path), zipfile.ZipFile(self._path) as file, file.open(name) as stream:
            yield stream


def _header(stream: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether columns stand together, and type; the data come next in the stream."""
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Within, what goes wrong is told as an error of the file."""
    try:
        yield
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read as a file of arrays: {error}.") from error


def open_npz(path: Path) -> ArraySource:
    """Read a file of numpy arrays.

    The pictures are the array `images` (else `samples` or `arr_0`), of whole numbers 0..255 with
    shape (n, height, width) or (n, height, width, channels); `labels` (else `arr_1`) may hold (n,)
    whole numbers.

    Raises:
        DataError: if there are no such arrays.
    """
    arrays = read_npz(path)
    pixels = next((arrays[name] for name in PICTURES if name in arrays), None)
    labels = next((arrays[name] for name in LABELS if name in arrays), None)
    held = ", ".join(f"{name} {array.dtype}{array.shape}" for name, array in arrays.items())
    if pixels is None:
        raise DataError(f"{path} holds no array called {' or '.join(PICTURES)}; it holds: {held}.")
    pixels = pixels[..., None] if pixels.ndim == 3 else pixels
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[-1] > 4 or not pixels.size:
        raise DataError(
            f"The pictures of {path} must be uint8 (n, height, width, 1 to 4 channels); it holds: "
            f"{held}."
        )
    if labels is None:
        return ArraySource(pixels, None, path)
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "ui":
        raise DataError(
            f"The labels of {path} must be one whole number for each of {len(pixels)} pictures; it "
            f"holds: {held}."
        )
    return ArraySource(pixels, labels.astype(np.int64), path)
