"""Pictures to be measured: data of any source, or the samples of a .npz file, as pixels."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarion.base.errors import DataError
from clarion.base.names import describe_unknown
from clarion.domains.image.arrays import StoredArray, read_npz
from clarion.domains.image.codec import batches, to_uint8
from clarion.domains.image.data import ImageData
from clarion.domains.image.image_set import LABEL, ImageSet
from clarion.run.examples import OnProgress


@dataclass(frozen=True, eq=False)
class SampleFile:
    """Samples that `clarion sample --out FILE.npz` wrote, as pixels.

    Args:
        path: the file.
        pixels: (n, channels, height, width) uint8.
        labels: the classes that were asked for, (n,) int64; None if the file does not say.
        drawn_by: which random numbers they came from; "" if the file does not say.
        share_clipped: of the numbers, those below 0 or above 1.
    """

    path: Path
    pixels: Tensor
    labels: Tensor | None
    drawn_by: str
    share_clipped: float

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pixels.shape[1:])

    @property
    def class_names(self) -> tuple[str, ...]:
        """None are told: labels are numbers, those of the model."""
        return ()

    def name(self, index: int) -> str:
        return f"{self.path}, sample {index}"


Pictures = ImageSet | SampleFile

SAMPLES, CHUNK = "samples", 256
"""The array that `clarion sample` writes, and how many rows are turned into pixels together."""

WIDE, MOST_BEYOND = (-0.5, 1.5), 0.01
"""A range that pictures in units of 0 black to 1 white hardly leave, and what share of them may."""

IN_MEMORY = 2**28
"""Bytes of pixels that are kept in memory; more are kept in a file without a name."""


def open_pictures(data: ImageData, on_progress: OnProgress | None = None) -> Pictures:
    """The pictures of a source; of a .npz file with samples in numbers, those as they are.

    Raises:
        DataError: if they cannot be used as they are.
    """
    path = Path(data.source).expanduser()
    if path.suffix == ".npz" and path.is_file():
        samples = _read_samples(path)
        if samples is not None:
            return samples
    return data.open(on_progress)


def pixels_of(pictures: Pictures, indices: Tensor) -> Tensor:
    """Some of them, (n, channels, height, width) uint8."""
    if isinstance(pictures, SampleFile):
        return pictures.pixels[indices]
    return pictures.batch(indices)[0]


def content_hash(pictures: Pictures) -> str:
    """SHA-256 of shape and pixels, all in their order."""
    digest = hashlib.sha256(repr((len(pictures), *pictures.shape)).encode())
    if isinstance(pictures, SampleFile):
        digest.update(pictures.pixels.numpy().data)
    else:
        for _, pixels in batches(pictures, torch.arange(len(pictures))):
            digest.update(pixels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def in_both(some: Pictures, others: Pictures) -> int:
    """How many of some are, pixel by pixel, also among the others."""
    known = set(_digests(others))
    return sum(digest in known for digest in _digests(some))


def _digests(pictures: Pictures) -> Iterator[bytes]:
    for numbers in torch.arange(len(pictures)).split(CHUNK):
        for pixels in pixels_of(pictures, numbers):
            yield hashlib.blake2b(pixels.contiguous().numpy().data, digest_size=16).digest()


def labels_by(pictures: Pictures, class_names: tuple[str, ...]) -> Tensor | None:
    """Their labels as numbers of some classes, (n,) int64, -1 where there is none; None for no
    labels at all.

    Classes are found by their names; those that have none are numbers already.

    Raises:
        DataError: for a class that is none of these.
    """
    labels = pictures.labels
    if labels is None or not len(class_names):
        return None
    numbers = torch.full_like(labels, -1)
    for label in labels[labels >= 0].unique().tolist():
        name = pictures.class_names[label] if pictures.class_names else str(label)
        if name in class_names:
            number = class_names.index(name)
        elif name.isdecimal() and int(name) < len(class_names):
            number = int(name)
        else:
            first = pictures.name(int((labels == label).nonzero()[0]))
            raise DataError(f"{first}: {describe_unknown('class', name, list(class_names))}")
        numbers[labels == label] = number
    return numbers


def _read_samples(path: Path) -> SampleFile | None:
    """The floating-point array `samples` of a file; None if it holds other things."""
    samples = StoredArray.find(path, SAMPLES)
    if samples is None or samples.dtype.kind != "f":
        return None
    if len(samples.shape) != 4 or not samples.shape[0]:
        raise DataError(
            f"The samples in {path} must have shape (n, channels, height, width), got "
            f"{samples.shape}."
        )
    pixels, bad, done = _room(samples.shape), [], 0
    clipped, beyond, low, high = 0, 0, math.inf, -math.inf
    for part in samples.parts(CHUNK):
        unit = torch.from_numpy(part.astype(np.float32))
        clipped += int(((unit < 0) | (unit > 1)).sum())
        beyond += int(((unit < WIDE[0]) | (unit > WIDE[1])).sum())
        low, high = min(low, float(unit.min())), max(high, float(unit.max()))
        is_bad = ~unit.isfinite().flatten(1).all(1)
        bad += (is_bad.nonzero()[:, 0] + done).tolist()
        pixels[done : done + len(unit)] = to_uint8(unit.nan_to_num())
        done += len(unit)
    if bad:
        raise DataError(
            f"{path}: sample {bad[0]} has values that are not finite, as have {len(bad) - 1} "
            f"others of {done}."
        )
    others = read_npz(path, without=SAMPLES)
    drawn_by = _drawn_by(others)
    if not drawn_by and beyond > MOST_BEYOND * pixels.numel():  # a model of ours may be that bad
        raise DataError(
            f"The samples in {path} reach from {low:.3g} to {high:.3g}: numbers are read as 0 "
            "black to 1 white, as `clarion sample` writes them. Bring them to these units, or keep "
            "them as whole numbers 0..255 in an array `images` (n, height, width, channels)."
        )
    labels = _labels(path, others, done)
    return SampleFile(path, pixels, labels, drawn_by, clipped / pixels.numel())


def _room(shape: tuple[int, ...]) -> Tensor:
    """A uint8 tensor to be filled, of much content in a file that goes when nobody reads it."""
    if math.prod(shape) <= IN_MEMORY:
        return torch.empty(shape, dtype=torch.uint8)
    return torch.from_numpy(np.memmap(TemporaryFile(), np.uint8, "w+", shape=shape))


def _labels(path: Path, arrays: Mapping[str, NDArray[Any]], n: int) -> Tensor | None:
    """The classes that `clarion sample --condition label=...` was asked for."""
    labels = arrays.get(f"condition_{LABEL}")
    if labels is None:
        return None
    if labels.shape != (n,) or labels.dtype.kind not in "ui":
        raise DataError(
            f"condition_{LABEL} in {path} must be one whole number for each of {n} samples, got "
            f"{labels.dtype} {labels.shape}."
        )
    return torch.from_numpy(labels.astype("int64"))


def _drawn_by(arrays: Mapping[str, NDArray[Any]]) -> str:
    """Seed, numbers and conditions: samples that share them share their random numbers."""
    if "seed" not in arrays:
        return ""
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - {"seed"}):
        digest.update(name.encode() + arrays[name].tobytes())
    return f"seed {int(arrays['seed'])}, {digest.hexdigest()[:16]}"
