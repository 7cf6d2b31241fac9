"""Pictures of parquet files as one file of arrays, which training reads without further packages.

    python scripts/gpu/arrays.py FOLDER/train-*.parquet --size 32 --out train32.npz

Each file has a column `image` with a struct of encoded `bytes`, and whole numbers in `label`. A
picture twice or four times as large is made smaller by the mean of its boxes of pixels; nothing
else is done to it.
"""

from __future__ import annotations

import argparse
import io
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from PIL import Image


def box_mean(pixels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """(side, side, channels) -> (size, size, channels), rounded to the nearest, halves up.

    Raises:
        ValueError: if the side is no multiple of the size.
    """
    side = len(pixels)
    if side % size or pixels.shape[1] != side:
        raise ValueError(f"{pixels.shape} cannot be cut into boxes for {size} x {size} pixels.")
    k = side // size
    boxes = pixels.reshape(size, k, size, k, -1).astype(np.uint32).sum((1, 3))
    return ((boxes + k * k // 2) // (k * k)).astype(np.uint8)


def read(path: str, size: int, first: int | None) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Pictures of one file, all or the first, (n, size, size, 3), and their labels, (n,)."""
    table = pq.read_table(path, columns=["image", "label"]).slice(0, first)
    pixels = [
        box_mean(np.asarray(Image.open(io.BytesIO(cell["bytes"])).convert("RGB")), size)
        for cell in table["image"].to_pylist()
    ]
    return np.stack(pixels), table["label"].to_numpy().astype(np.int64)


def main() -> None:
    """Read, join, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--size", type=int, required=True)
    parser.add_argument("--first", type=int, help="take so many of each file")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    with ProcessPoolExecutor() as pool:
        parts = list(pool.map(partial(read, size=options.size, first=options.first), options.paths))
    images, labels = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    np.savez(options.out, images=images, labels=labels)
    print(f"{len(images)} pictures of {options.size} x {options.size} in {options.out}")


if __name__ == "__main__":
    main()
