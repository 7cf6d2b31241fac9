"""Broken pictures are refused; sound ones come out with the pixels they were made of."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clarion.domains.image.decoding import BadPictureError, PictureRule


def encode(pixels: np.ndarray | Image.Image, form: str = "PNG", **options) -> bytes:
    stream = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels.astype(np.uint8))
    image.save(stream, form, **options)
    return stream.getvalue()


def png_bomb(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds one black pixel."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    pixels = chunk(b"IDAT", zlib.compress(bytes(4)))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "TIFF"])
def test_a_picture_that_breaks_off_is_refused(form: str, rng: np.random.Generator) -> None:
    whole = encode(rng.integers(0, 256, (32, 32, 3)), form)
    assert PictureRule().read(whole).shape == (32, 32, 3)
    with pytest.raises(BadPictureError):
        PictureRule().read(whole[: len(whole) // 2])


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty (0 bytes)"),
        (b"no picture", "no picture of a known format"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "no picture of a known format"),
        (png_bomb(10_000, 9_000), "pixels"),
        (png_bomb(60_000, 60_000), "pixels"),
    ],
)
def test_the_reason_is_given(tmp_path: Path, content: bytes, reason: str) -> None:
    (tmp_path / "x.png").write_bytes(content)
    for piece in (content, tmp_path / "x.png"):  # as a table and as a folder gives it
        with pytest.raises(BadPictureError) as caught:
            PictureRule().read(piece)
        assert reason in str(caught.value)


def test_a_file_that_is_gone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadPictureError, match="gone"):
        PictureRule().read(tmp_path / "gone.png")


def test_more_than_8_bits_are_refused_rather_than_clipped() -> None:
    deep = Image.fromarray(np.full((4, 4), 40_000, np.uint16))
    with pytest.raises(BadPictureError, match="8 bits"):
        PictureRule().read(encode(deep))


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 2), (5, 7, 3), (5, 7, 4)])
def test_channels_stay_as_they_are(shape: tuple[int, ...], rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, shape)
    np.testing.assert_array_equal(
        PictureRule().read(encode(pixels)), pixels[..., None] if pixels.ndim == 2 else pixels
    )


def test_other_encodings_become_grey_or_rgb() -> None:
    black_and_white = Image.fromarray(np.eye(4, dtype=bool))
    np.testing.assert_array_equal(
        PictureRule().read(encode(black_and_white))[..., 0], 255 * np.eye(4)
    )
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    assert PictureRule().read(encode(palette))[0, 0].tolist() == [10, 20, 30]
    assert PictureRule().read(encode(palette, transparency=1))[0, 0].tolist() == [10, 20, 30, 0]
    ink = encode(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "JPEG", quality=100)
    np.testing.assert_allclose(PictureRule().read(ink)[4, 4], [255, 0, 0], atol=3)  # JPEG is lossy


def test_the_noted_orientation_is_applied(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (3, 5, 3))
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to see it upright
    turned = PictureRule().read(encode(pixels, exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(pixels, -1))


def test_alpha_is_laid_on_white() -> None:
    pixels = np.zeros((1, 3, 4))
    pixels[0, :, 0], pixels[0, :, 3] = 200, [255, 0, 51]
    over_white = [[200, 0, 0], [255, 255, 255], [244, 204, 204]]  # 0.2 colour + 0.8 white
    np.testing.assert_allclose(
        PictureRule(channels=3).read(encode(pixels))[0],
        over_white,
        atol=1,  # whole numbers
    )
    grey = PictureRule(channels=1).read(encode(pixels))[0, :, 0]
    luma = np.array(over_white) @ [0.299, 0.587, 0.114]  # ITU-R 601
    np.testing.assert_allclose(grey, luma, atol=1)


def test_grey_becomes_rgb_and_rgba(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (4, 4))
    rgba = PictureRule(channels=4).read(encode(pixels))
    np.testing.assert_array_equal(rgba[..., :3], np.repeat(pixels[..., None], 3, axis=2))
    assert (rgba[..., 3] == 255).all()


def test_crop_keeps_the_centre(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (4, 10, 3))
    cropped = PictureRule(size=4, resize="crop").read(encode(pixels))
    np.testing.assert_array_equal(cropped, pixels[:, 3:7])


def test_pad_fills_up_with_the_stated_value(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (4, 8, 3))
    padded = PictureRule(size=8, resize="pad", pad_value=9).read(encode(pixels))
    np.testing.assert_array_equal(padded[2:6], pixels)
    assert (padded[[0, 1, 6, 7]] == 9).all()
    grey = PictureRule(channels=1, size=8, resize="pad", pad_value=9).read(encode(pixels))
    assert (grey[[0, 1, 6, 7]] == 9).all()
    clear = PictureRule(channels=4, size=8, resize="pad", pad_value=9).read(encode(pixels))
    assert (clear[0] == [9, 9, 9, 0]).all()


def test_stretch_keeps_what_is_linear() -> None:
    # A cubic filter reproduces a straight ramp exactly, away from the edges.
    ramp = np.tile(np.arange(0, 256, 4), (16, 1))
    stretched = PictureRule(size=32, resize="stretch").read(encode(ramp))[..., 0].astype(float)
    assert stretched.shape == (32, 32)
    expected = 4 * (2 * np.arange(32) + 0.5)  # centre of each pair of columns
    np.testing.assert_allclose(stretched[:, 3:-3], np.tile(expected, (32, 1))[:, 3:-3], atol=1)


def test_a_picture_of_the_right_size_is_left_alone(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (8, 8, 3))
    for resize in ("crop", "pad", "stretch"):
        read = PictureRule(size=8, resize=resize).read(encode(pixels))
        np.testing.assert_array_equal(read, pixels)
