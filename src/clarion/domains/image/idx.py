"""The idx files of MNIST and its relatives, plain or gzipped.

Source: LeCun, Cortes and Burges, "The MNIST database of handwritten digits", file formats.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.image.arrays import ArraySource

# In these data sets the held-out split is called "t10k" on disk.
SPLIT_STEMS = {"train": "train", "test": "t10k"}
UNSIGNED_BYTE = 0x08


def find_idx(folder: Path, stem: str, kind: str) -> Path | None:
    """The idx file of one kind ("images-idx3", "labels-idx1") in any of its usual spellings."""
    for name in (f"{stem}-{kind}-ubyte", f"{stem}-{kind.replace('-', '.')}-ubyte"):
        for ending in (".gz", ""):
            if (folder / (name + ending)).is_file():
                return folder / (name + ending)
    return None


def has_idx(folder: Path) -> bool:
    """Whether a folder holds the idx pictures of any split."""
    return any(find_idx(folder, stem, "images-idx3") for stem in SPLIT_STEMS.values())


def open_idx(folder: Path, split: str) -> ArraySource:
    """Read one split of an idx folder.

    Raises:
        DataError: if the split is not there, a file is broken, or the counts do not match.
    """
    there = [s for s, stem in SPLIT_STEMS.items() if find_idx(folder, stem, "images-idx3")]
    if split not in there:
        raise DataError(f"{folder}: {describe_unknown('split', split, there)}")
    images_path = find_idx(folder, SPLIT_STEMS[split], "images-idx3")
    labels_path = find_idx(folder, SPLIT_STEMS[split], "labels-idx1")
    assert images_path is not None, "the split was found above"
    pixels = read_idx(images_path, num_dims=3)
    if labels_path is None:
        return ArraySource(pixels[..., None], None, images_path)
    labels = read_idx(labels_path, num_dims=1).astype(np.int64)
    if len(labels) != len(pixels):
        raise DataError(
            f"{images_path} holds {len(pixels)} pictures but {labels_path} holds {len(labels)} "
            "labels; the two files do not belong together."
        )
    return ArraySource(pixels[..., None], labels, images_path)


def read_idx(path: Path, *, num_dims: int) -> NDArray[np.uint8]:
    """Read one idx file of unsigned bytes.

    The file is: two zero bytes, the type code, the number of dimensions, each dimension as a
    big-endian uint32, then the data with the last dimension fastest.

    Raises:
        DataError: if the file is no such file, or its length is not what its header says.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read: {error}. Fetch the file again.") from error
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != UNSIGNED_BYTE:
        raise DataError(f"{path} is not an idx file of unsigned bytes.")
    if content[3] != num_dims:
        raise DataError(f"{path} has {content[3]} dimensions; {num_dims} are expected.")
    start = 4 + 4 * num_dims
    shape = tuple(int(n) for n in np.frombuffer(content[4:start].ljust(4 * num_dims, b"\0"), ">u4"))
    if len(content) - start != math.prod(shape):
        raise DataError(
            f"{path} says it holds {' x '.join(map(str, shape))} bytes but has "
            f"{max(0, len(content) - start)}; the file is damaged. Fetch it again."
        )
    if math.prod(shape) == 0:
        raise DataError(f"{path} is empty: it says it holds {' x '.join(map(str, shape))} bytes.")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
