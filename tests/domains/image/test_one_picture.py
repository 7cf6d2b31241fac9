"""One picture from a file."""

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.errors import DataError
from clarion.domains.image.one_picture import read_picture

PIXELS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3) * 20


def test_a_picture_in_units_of_black_and_white(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "colour.png")
    actual = read_picture(tmp_path / "colour.png", 3)
    torch.testing.assert_close(actual, torch.tensor(PIXELS).permute(2, 0, 1) / 255)
    grey = PIXELS[..., 0]
    for name, picture in (("L", grey), ("RGB", grey[..., None].repeat(3, 2))):
        Image.fromarray(picture).save(tmp_path / f"{name}.png")
        for channels in (1, 3):
            actual = read_picture(tmp_path / f"{name}.png", channels)
            expected = torch.tensor(grey).expand(channels, 2, 2) / 255
            torch.testing.assert_close(actual, expected)


def test_colours_are_not_turned_grey_unasked(tmp_path):
    Image.fromarray(PIXELS).save(tmp_path / "colour.png")
    with pytest.raises(DataError, match=r"colour\.png is in colour where grey is wanted; turn it"):
        read_picture(tmp_path / "colour.png", 1)


@pytest.mark.parametrize("shape", [(1, 2, 2), (4,), (1, 2, 1, 2), (3, 1)])
def test_numbers_of_any_shape_are_neither_rounded_nor_cut_off(tmp_path, shape):
    values = np.array([-0.25, 1.5, 0.123456, 0.0])[: np.prod(shape)].reshape(shape)
    np.save(tmp_path / "measured.npy", values)
    actual = read_picture(tmp_path / "measured.npy", 1)
    torch.testing.assert_close(actual, torch.tensor(values).float(), rtol=0, atol=0)


def test_what_cannot_be_used_is_named(tmp_path):
    with pytest.raises(DataError, match=r"There is no file .*gone\.png"):
        read_picture(tmp_path / "gone.png", 1)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"text\.png cannot be used: it is no picture"):
        read_picture(tmp_path / "text.png", 1)
    for name, array, message in (
        ("words", np.array(["a"]), "must hold floating-point numbers .*, got <U1"),
        ("levels", np.zeros((1, 2, 2), np.uint8), "got uint8; levels of 0 to 255 are divided by"),
        ("whole", np.zeros((1, 2, 2), np.int64), "got int64; levels"),
        (
            "complex",
            np.zeros((1, 2, 2), complex),
            r"must hold real numbers, got complex128; give real and imag",
        ),
        ("nan", np.full((1, 2, 2), np.nan), r"nan\.npy must hold finite numbers, got NaN"),
    ):
        np.save(tmp_path / f"{name}.npy", array)
        with pytest.raises(DataError, match=message):
            read_picture(tmp_path / f"{name}.npy", 1)
    (tmp_path / "broken.npy").write_bytes(b"no array")
    with pytest.raises(DataError, match=r"broken\.npy holds no array"):
        read_picture(tmp_path / "broken.npy", 1)
