"""Small data sets, made on the spot."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.fixture
def class_folders(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Classes "cat" and "dog" with 3 and 2 RGB pictures of 6x8 (width x height)."""
    for name, count in (("dog", 2), ("cat", 3)):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for i in range(count):
            save_png(rng.integers(0, 256, (8, 6, 3)), tmp_path / "pets" / name / f"{i}.png")
    return tmp_path / "pets"


def save_png(pixels: np.ndarray, path: Path) -> np.ndarray:
    """Write uint8 pixels (H, W) or (H, W, C), losslessly, and give them back."""
    pixels = np.asarray(pixels, dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def write_idx(path: Path, values: np.ndarray) -> None:
    """An idx file by its definition, gzipped if the name says so."""
    content = struct.pack(f">BBBB{values.ndim}I", 0, 0, 8, values.ndim, *values.shape)
    content += values.astype(np.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.fixture
def png() -> Callable[[np.ndarray, Path], np.ndarray]:
    return save_png


@pytest.fixture
def idx() -> Callable[[Path, np.ndarray], None]:
    return write_idx
