"""Write pictures to files: one by one, as a grid, or as a grid with labelled rows and columns.

Pictures come in units of 0 black to 1 white, (..., channels, height, width), with 1 (grey), 2 (grey
and alpha), 3 (RGB) or 4 (RGBA) channels. Single files keep their alpha; grids lie on white.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError
from clarion.domains.image.codec import to_uint8
from clarion.domains.image.decoding import MODES, PICTURE_ENDINGS, lay_on_white

TILE_PX = 84  # what a picture is enlarged to, roughly, where no scale is given
INK = (31, 35, 40)
MUTED = (110, 118, 129)
HAIRLINE = (208, 215, 222)


def to_pictures(images: Tensor) -> list[Image.Image]:
    """Turn (n, channels, height, width) in [0, 1] into n Pillow pictures.

    Raises:
        ClarionError: if the shape is not that of pictures.
    """
    if images.ndim != 4 or images.shape[1] not in MODES:
        raise ClarionError(
            f"images must have shape (n, 1 to 4 channels, height, width), "
            f"got {tuple(images.shape)}."
        )
    pixels = to_uint8(images.detach().cpu()).permute(0, 2, 3, 1).contiguous().numpy()
    is_grey = images.shape[1] == 1
    return [Image.fromarray(one[:, :, 0] if is_grey else one) for one in pixels]


def save_images(images: Tensor, folder: Path | str, indices: Iterable[int]) -> list[Path]:
    """Write each picture as `<index, six digits>.png`.

    Args:
        images: (n, channels, height, width) in [0, 1].
        folder: made if it is not there.
        indices: the number of each picture among all samples.

    Returns:
        The files, in the order of the pictures.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for picture, index in zip(to_pictures(images), indices, strict=True):
        paths.append(folder / f"{index:06d}.png")
        picture.save(paths[-1])
    return paths


def write_samples(images: Tensor, path: Path, indices: Iterable[int], codec: Codec) -> Path:
    """Write samples: one grid if the path is that of a picture, else a folder, a file for each.

    The codec says nothing of how a picture is written.
    """
    if path.suffix.lower() in PICTURE_ENDINGS:
        return save_grid(images, path)
    save_images(images, path, indices)
    return path


def save_grid(
    images: Tensor, path: Path | str, *, columns: int | None = None, scale: int | None = None
) -> Path:
    """Write pictures as one grid, row by row.

    Args:
        images: (n, channels, height, width) in [0, 1], n at least 1.
        path: the file; its ending is the format.
        columns: pictures in a row; None makes the grid about square.
        scale: whole factor of enlargement, without smoothing; None chooses one.
    """
    if len(images) < 1:
        raise ClarionError("save_grid needs at least one picture, got none.")
    if columns is not None and columns < 1:
        raise ClarionError(f"columns must be at least 1, got {columns}.")
    columns = min(columns or math.ceil(math.sqrt(len(images))), len(images))
    tiles = [_tile(picture, scale) for picture in to_pictures(images)]
    (width, height), gap = tiles[0].size, _gap(tiles[0])
    rows = math.ceil(len(tiles) / columns)
    sheet = _sheet(columns * (width + gap) + gap, rows * (height + gap) + gap, tiles)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, columns)
        sheet.paste(tile, (gap + column * (width + gap), gap + row * (height + gap)))
    return _save(sheet, path)


def save_labelled_grid(
    images: Tensor,
    path: Path | str,
    *,
    row_labels: Sequence[str],
    group_headings: Sequence[str],
    title: str = "",
    caption: str = "",
    scale: int | None = None,
) -> Path:
    """Write pictures as rows with a label each, and groups of columns with a heading each.

    Args:
        images: (rows, groups, samples, channels, height, width) in [0, 1].
        path: the file; its ending is the format.
        row_labels: what each row is.
        group_headings: what each group of columns is.
        title: line above all.
        caption: line below all.
        scale: whole factor of enlargement, without smoothing; None chooses one.

    Raises:
        ClarionError: if there are not as many labels and headings as rows and groups.
    """
    if (
        images.ndim != 6
        or 0 in images.shape
        or images.shape[:2] != (len(row_labels), len(group_headings))
    ):
        raise ClarionError(
            f"images must have shape ({len(row_labels)} rows, {len(group_headings)} groups, "
            f"samples, channels, height, width), got {tuple(images.shape)}."
        )
    tiles = [_tile(picture, scale) for picture in to_pictures(images.flatten(0, 2))]
    plan = _LabelledLayout(tiles[0], images.shape[2], row_labels, group_headings, title, caption)
    sheet = _sheet(plan.full_width, plan.full_height, tiles, colour=True)
    draw = ImageDraw.Draw(sheet)
    margin, bottom = plan.margin, plan.full_height - plan.margin
    draw.text((margin, margin), title, fill=INK, font=plan.large, anchor="lt")
    draw.text((margin, bottom), caption, fill=MUTED, font=plan.font, anchor="lb")
    for group, heading in enumerate(group_headings):
        (x, _), y = plan.place(0, group, 0), plan.rule_y
        middle = x + plan.group_width / 2
        draw.text((middle, y - 0.4 * plan.text_px), heading, fill=INK, font=plan.font, anchor="ms")
        draw.line((x, y, x + plan.group_width - 1, y), fill=HAIRLINE)
    for row, label in enumerate(row_labels):
        middle = plan.place(row, 0, 0)[1] + plan.height / 2
        draw.text((plan.label_x, middle), label, fill=INK, font=plan.font, anchor="rm")
    places = product(*map(range, images.shape[:3]))
    for tile, (row, group, sample) in zip(tiles, places, strict=True):
        sheet.paste(tile, plan.place(row, group, sample))
    return _save(sheet, path)


class _LabelledLayout:
    """Where everything lies on a labelled grid, in pixels; type and spaces follow the tiles."""

    def __init__(
        self,
        tile: Image.Image,
        num_samples: int,
        row_labels: Sequence[str],
        group_headings: Sequence[str],
        title: str,
        caption: str,
    ) -> None:
        self.width, self.height = tile.size
        self.gap = _gap(tile)
        self.text_px = text_px = max(13, min(22, round(0.21 * self.height)))
        self.font, self.large = _font(text_px), _font(round(1.3 * text_px))
        self.margin = 2 * text_px
        self.group_width = num_samples * (self.width + self.gap) - self.gap
        # A heading may be wider than its pictures, which then stand in the middle below it.
        cell_width = max(self.group_width, *(_width(h, self.font) for h in group_headings))
        self.inset = (cell_width - self.group_width) // 2
        self.pitch = cell_width + round(1.3 * text_px)
        self.label_x = self.margin + max(_width(label, self.font) for label in row_labels)
        self.left = self.label_x + text_px
        self.top = self.margin + (round(2.6 * text_px) if title else 0) + 2 * text_px
        self.rule_y = self.top - round(0.5 * text_px)
        right = self.left + (len(group_headings) - 1) * self.pitch + cell_width
        words = max(_width(title, self.large), _width(caption, self.font))
        self.full_width = max(right, self.margin + words) + self.margin
        bottom = self.top + len(row_labels) * (self.height + self.gap) - self.gap
        self.full_height = bottom + (2 * text_px if caption else 0) + self.margin

    def place(self, row: int, group: int, sample: int) -> tuple[int, int]:
        """Upper left corner (x, y) of a tile."""
        x = self.left + group * self.pitch + self.inset + sample * (self.width + self.gap)
        return x, self.top + row * (self.height + self.gap)


def _tile(picture: Image.Image, scale: int | None) -> Image.Image:
    """One enlarged picture without alpha."""
    if scale is not None and scale < 1:
        raise ClarionError(f"scale must be at least 1, got {scale}.")
    factor = scale or max(1, round(TILE_PX / max(picture.size)))
    if picture.mode in ("LA", "RGBA"):
        picture = lay_on_white(picture)
    size = (picture.width * factor, picture.height * factor)
    return picture.resize(size, Image.Resampling.NEAREST)


def _gap(tile: Image.Image) -> int:
    return max(2, round(0.04 * max(tile.size)))


def _sheet(
    width: int, height: int, tiles: Sequence[Image.Image], colour: bool = False
) -> Image.Image:
    return Image.new("RGB" if colour else tiles[0].mode, (width, height), "white")


def _font(size_px: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size=size_px)


def _width(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> int:
    return math.ceil(font.getlength(text))


def _save(sheet: Image.Image, path: Path | str) -> Path:
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)
    return path
