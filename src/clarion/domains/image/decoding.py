"""One encoded picture -> one uint8 array of stated channels and size, or a reason why not.

Decoding is complete: a picture that opens but breaks off half-way is refused, not filled with grey.
What a format cannot tell stays hidden: PNG has checksums, a flipped bit in a JPEG is another JPEG.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from clarion.base.errors import DataError

Piece: TypeAlias = Path | bytes | NDArray[np.uint8]
"""A picture as a source holds it: a file, an encoded file's contents, or (H, W) grey pixels."""

ResizeRule: TypeAlias = Literal["none", "crop", "pad", "stretch"]

PICTURE_ENDINGS = (
    ".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp",
)  # fmt: skip
# Others are left out on purpose: Pillow hands some of them to outside programs.
PICTURE_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
MAX_PIXELS = 89_478_485  # Pillow's own warning threshold: 1/4 GiB of RGB
MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}


class BadPictureError(DataError):
    """A picture that cannot be decoded; the message is the reason, without its name."""


@dataclass(frozen=True)
class PictureRule:
    """How a decoded picture becomes an array of the wanted channels and size.

    Args:
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; None leaves them as they are. Colour
            turns to grey by ITU-R 601 luma; alpha is removed by laying the picture on white.
        size: side of the square in pixels; None leaves the picture as it is.
        resize: what to do with a picture that is not `size` x `size`. "crop" scales the shorter
            side to `size` and keeps the centre, "pad" scales the longer side to `size` and fills
            up with `pad_value`, "stretch" ignores the aspect ratio, "none" does nothing.
        pad_value: 0 black to 255 white; where there is alpha the padding is transparent.
    """

    channels: int | None = None
    size: int | None = None
    resize: ResizeRule = "none"
    pad_value: int = 0

    def read(self, piece: Piece) -> NDArray[np.uint8]:
        """Decode a picture to (H, W, C) uint8.

        Raises:
            BadPictureError: if it cannot be decoded in full.
        """
        image = self._resized(self._with_channels(open_picture(piece)))
        pixels = np.asarray(image, dtype=np.uint8)
        return pixels[:, :, None] if pixels.ndim == 2 else pixels

    def _with_channels(self, image: Image.Image) -> Image.Image:
        if self.channels is None or image.mode == MODES[self.channels]:
            return image
        if self.channels in (1, 3) and image.mode in ("LA", "RGBA"):
            image = lay_on_white(image)
        return image.convert(MODES[self.channels])

    def _resized(self, image: Image.Image) -> Image.Image:
        if self.size is None or self.resize == "none" or image.size == (self.size, self.size):
            return image
        square = (self.size, self.size)
        if self.resize == "stretch":
            return image.resize(square, Image.Resampling.BICUBIC)
        if self.resize == "crop":
            return ImageOps.fit(image, square, Image.Resampling.BICUBIC)
        has_alpha = image.mode in ("LA", "RGBA")
        grey = (self.pad_value,) * (len(image.getbands()) - has_alpha)
        fill = (*grey, 0) if has_alpha else grey
        return ImageOps.pad(
            image, square, Image.Resampling.BICUBIC, color=fill[0] if len(fill) == 1 else fill
        )


def lay_on_white(image: Image.Image) -> Image.Image:
    """Lay a picture with alpha on a white ground: "LA" gives "L", "RGBA" gives "RGB"."""
    opaque = image.mode.removesuffix("A")
    white = Image.new(opaque, image.size, "white")
    white.paste(image.convert(opaque), mask=image.getchannel("A"))
    return white


def open_picture(piece: Piece) -> Image.Image:
    """Decode a picture in full, in mode "L", "LA", "RGB" or "RGBA".

    Palettes, CMYK and YCbCr become RGB (RGBA where the palette has transparency), the orientation
    that a camera noted is applied, and of an animation the first frame is taken.

    Raises:
        BadPictureError: if it is empty, broken, no picture, too large, or deeper than 8 bits.
    """
    if isinstance(piece, np.ndarray):
        return Image.fromarray(piece)
    try:
        if isinstance(piece, bytes) and not piece:
            raise BadPictureError("it is empty (0 bytes)")
        image = Image.open(
            io.BytesIO(piece) if isinstance(piece, bytes) else piece, formats=PICTURE_FORMATS
        )
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise BadPictureError(
                    f"it claims {image.width}x{image.height} pixels, more than {MAX_PIXELS:,}"
                )
            image.load()
            image = ImageOps.exif_transpose(image) if _may_be_turned(image) else image
            return _as_8_bit(image)
    except BadPictureError:
        raise
    except MemoryError:
        raise
    except Exception as error:  # Pillow's readers raise almost anything on broken files
        raise BadPictureError(_reason(piece, error)) from error


def _may_be_turned(image: Image.Image) -> bool:
    return image.format in ("JPEG", "TIFF") or "exif" in image.info


def _as_8_bit(image: Image.Image) -> Image.Image:
    if image.mode in MODES.values():
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode in ("P", "PA", "RGBX", "RGBa", "La"):
        has_alpha = "transparency" in image.info or image.mode in ("PA", "RGBa", "La")
        return image.convert("RGBA" if has_alpha else "RGB")
    if image.mode in ("CMYK", "YCbCr", "LAB", "HSV"):
        return image.convert("RGB")
    # Pillow would clip these at 255, not scale them.
    raise BadPictureError(
        f"it has more than 8 bits a channel (mode {image.mode}); save it with 8 bits first"
    )


def _reason(piece: Piece, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "the file is gone"
    if isinstance(error, PermissionError):
        return "the file may not be read"
    if isinstance(piece, Path) and piece.stat().st_size == 0:
        return "it is empty (0 bytes)"
    if isinstance(error, Image.UnidentifiedImageError):
        return "it is no picture of a known format"
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return f"it claims more than {MAX_PIXELS:,} pixels"
    return str(error).strip() or type(error).__name__
