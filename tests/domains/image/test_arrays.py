"""Files of arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.image.arrays import StoredArray, read_npz
from clarion.domains.image.data import ImageData


@pytest.mark.parametrize(("pictures", "labels"), [("images", "labels"), ("arr_0", "arr_1")])
@pytest.mark.parametrize("channels", [(), (1,), (3,)])
def test_pictures_and_labels(tmp_path: Path, rng, pictures, labels, channels) -> None:
    pixels = rng.integers(0, 256, (7, 5, 4, *channels)).astype(np.uint8)
    kinds = np.array([0, 2, 1, 2, 0, 1, 1])
    np.savez_compressed(tmp_path / "a.npz", **{pictures: pixels, labels: kinds})
    images = ImageData(str(tmp_path / "a.npz")).open()
    assert images.shape == (channels[0] if channels else 1, 5, 4)
    assert images.pixels is not None
    expected = pixels.reshape(7, 5, 4, -1).transpose(0, 3, 1, 2)
    np.testing.assert_array_equal(images.pixels.numpy(), expected)
    assert images.labels is not None
    np.testing.assert_array_equal(images.labels.numpy(), kinds)


@pytest.mark.parametrize("channels", [1, 3])
def test_they_are_resized_like_others(tmp_path: Path, rng, channels) -> None:
    pixels = np.full((3, 8, 8, channels), 77, np.uint8)
    np.savez(tmp_path / "a.npz", images=pixels)
    images = ImageData(str(tmp_path / "a.npz"), size=4, resize="crop").open()
    assert images.shape == (channels, 4, 4)
    assert images.labels is None
    assert images.pixels is not None
    assert (images.pixels == 77).all()


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"faces": np.zeros((2, 4, 4), np.uint8)}, "holds no array called images or samples or"),
        ({"images": np.zeros((2, 4, 4))}, "must be uint8 .*; it holds: images float64"),
        ({"images": np.zeros((2, 4, 4, 5), np.uint8)}, "1 to 4 channels"),
        ({"images": np.zeros((0, 4, 4), np.uint8)}, "must be uint8"),
        (
            {"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(3, int)},
            "one whole number for each of 2 pictures",
        ),
        ({"images": np.zeros((2, 4, 4), np.uint8), "labels": np.zeros(2)}, "one whole number"),
    ],
)
def test_other_arrays_are_refused(tmp_path: Path, arrays, message) -> None:
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DataError, match=message):
        ImageData(str(tmp_path / "a.npz")).open()


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
@pytest.mark.parametrize("order", ["C", "F"])
def test_large_arrays_are_read_some_rows_at_a_time(tmp_path: Path, rng, save, order) -> None:
    path, values = tmp_path / "a.npz", rng.random((11, 2, 3)).astype(np.float32)
    save(path, samples=np.asarray(values, order=order), seed=np.array(3))
    stored = StoredArray.find(path, "samples")
    assert stored is not None
    assert (stored.shape, stored.dtype) == (values.shape, values.dtype)
    parts = list(stored.parts(4))
    assert [len(part) for part in parts] == [4, 4, 3]
    np.testing.assert_array_equal(np.concatenate(parts), values)
    assert StoredArray.find(path, "images") is None
    assert set(read_npz(path, without="samples")) == {"seed"}
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"a\.npz cannot be read as a file of arrays"):
        StoredArray.find(path, "samples")


def test_a_broken_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.npz").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match="cannot be read as a file of arrays"):
        ImageData(str(tmp_path / "a.npz")).open()
