"""Pictures to be measured: data of any source, or the samples of a .npz file, as pixels."""

from __future__ import annotations

import hashlib
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.image.codec import batches, to_uint8
from clarion.domains.image.data import ImageData
from clarion.domains.image.image_set import ImageSet
from clarion.run.examples import OnProgress


@dataclass(frozen=True, eq=False)
class SampleFile:
    """Samples that `clarion sample --out FILE.npz` wrote, as pixels.

    Args:
        path: the file.
        pixels: (n, channels, height, width) uint8.
        drawn_by: which random numbers they came from; "" if the file does not say.
    """

    path: Path
    pixels: Tensor
    drawn_by: str

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.pixels.shape[1:])

    def name(self, index: int) -> str:
        return f"{self.path}, sample {index}"


Pictures = ImageSet | SampleFile


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
        digest.update(pictures.pixels.numpy().tobytes())
    else:
        for _, pixels in batches(pictures, torch.arange(len(pictures))):
            digest.update(pixels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def _read_samples(path: Path) -> SampleFile | None:
    """The floating-point array `samples` of a file; None if it holds other things."""
    try:
        with np.load(path, allow_pickle=False) as arrays:
            if "samples" not in arrays or arrays["samples"].dtype.kind != "f":
                return None
            samples = arrays["samples"]
            drawn_by = _drawn_by(dict(arrays)) if "seed" in arrays else ""
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} cannot be read: {error}.") from None
    if samples.ndim != 4 or not len(samples):
        raise DataError(
            f"The samples in {path} must have shape (n, channels, height, width), got "
            f"{samples.shape}."
        )
    unit = torch.from_numpy(samples).float()
    bad = ~unit.isfinite().flatten(1).all(1)
    if bad.any():
        raise DataError(
            f"{path}: sample {int(bad.nonzero()[0])} has values that are not finite, as have "
            f"{int(bad.sum()) - 1} others of {len(bad)}."
        )
    return SampleFile(path, to_uint8(unit), drawn_by)


def _drawn_by(arrays: dict[str, np.ndarray]) -> str:
    """Seed, numbers and conditions: samples that share them share their random numbers."""
    digest = hashlib.sha256()
    for name in sorted(set(arrays) - {"samples", "seed"}):
        digest.update(name.encode() + arrays[name].tobytes())
    return f"seed {int(arrays['seed'])}, {digest.hexdigest()[:16]}"
