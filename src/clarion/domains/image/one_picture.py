"""One picture from a file, in units of 0 black to 1 white: a part that is known, a mask, a blur."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.image.decoding import BadPictureError, PictureRule

HALF = 0.5
"""Grey level from which a mask counts as white."""


def read_picture(path: Path | str, channels: int, sides: Sequence[int] | None = None) -> Tensor:
    """Read a picture, or numbers that somebody measured.

    Args:
        path: a picture; or a .npy file with an array of any shape, in units of 0 black to 1 white,
            which is neither rounded nor cut off.
        channels: of the picture: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.
        sides: height and width that it must have, as samples have; None for any.

    Returns:
        (channels, height, width) float32, or the shape of the array.

    Raises:
        DataError: if it cannot be read, holds something else, is in colour where grey is wanted, or
            has other sides.
    """
    read = _read(path, channels)
    if sides is not None and read.shape != (channels, *sides):
        raise DataError(
            f"{path} must have shape {(channels, *sides)} for samples of this model, got "
            f"{tuple(read.shape)}."
        )
    return read


def _read(path: Path | str, channels: int) -> Tensor:
    place = Path(path).expanduser()
    if not place.is_file():
        raise DataError(f"There is no file {place}.")
    if place.suffix == ".npy":
        return torch.from_numpy(_numbers(place).astype(np.float32))
    try:
        pixels = PictureRule(channels).read(place)
        colours = PictureRule(3).read(place)
    except BadPictureError as error:
        raise DataError(f"{place} cannot be used: {error}.") from None
    if channels < 3 and (colours != colours[..., :1]).any():
        raise DataError(
            f"{place} is in colour where grey is wanted; turn it grey first, for example with "
            f"Pillow: Image.open(...).convert('L').save(...)."
        )
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255


def _numbers(place: Path) -> np.ndarray:
    try:
        values = np.load(place, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{place} holds no array: {error}.") from None
    if np.iscomplexobj(values):
        raise DataError(
            f"{place} must hold real numbers, got {values.dtype}; give real and imaginary parts "
            f"along a last axis of 2."
        )
    if not np.issubdtype(values.dtype, np.floating):
        raise DataError(
            f"{place} must hold floating-point numbers in units of 0 black to 1 white, "
            f"got {values.dtype}; levels of 0 to 255 are divided by 255 first."
        )
    if not np.isfinite(values).all():
        raise DataError(f"{place} must hold finite numbers, got NaN or infinity.")
    return values
