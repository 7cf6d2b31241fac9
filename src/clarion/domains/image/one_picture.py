"""One picture from a file, in units of 0 black to 1 white: a part that is known, a mask, a blur."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.image.decoding import BadPictureError, PictureRule


def read_picture(path: Path | str, channels: int) -> Tensor:
    """Read a picture, or numbers that somebody measured.

    Args:
        path: a picture; or a .npy file with an array of (channels, height, width), in units of 0
            black to 1 white, which is neither rounded nor cut off.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA.

    Returns:
        (channels, height, width) float32.

    Raises:
        DataError: if it cannot be read, or holds something else.
    """
    place = Path(path).expanduser()
    if not place.is_file():
        raise DataError(f"There is no file {place}.")
    if place.suffix != ".npy":
        try:
            pixels = PictureRule(channels).read(place)
        except BadPictureError as error:
            raise DataError(f"{place} cannot be used: {error}.") from None
        return torch.from_numpy(pixels.copy()).permute(2, 0, 1).float() / 255
    try:
        values = np.load(place, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{place} holds no array: {error}.") from None
    if not (np.issubdtype(values.dtype, np.number) and np.isfinite(values).all()):
        raise DataError(f"{place} must hold finite numbers, got {values.dtype}.")
    if values.ndim != 3 or values.shape[0] != channels:
        raise DataError(f"{place} must have shape ({channels}, height, width), got {values.shape}.")
    return torch.from_numpy(values.astype(np.float32))
