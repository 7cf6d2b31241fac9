"""idx files against files written by the format's definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.image.data import ImageData
from clarion.domains.image.idx import read_idx


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "train-images.idx3-ubyte"])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_pictures_and_labels(tmp_path, idx, rng, name: str, ending: str) -> None:
    pixels, labels = rng.integers(0, 256, (7, 5, 4)), np.array([0, 2, 1, 2, 0, 1, 1])
    idx(tmp_path / (name + ending), pixels)
    idx(tmp_path / "train-labels-idx1-ubyte.gz", labels)
    images = ImageData(str(tmp_path)).open()
    assert images.shape == (1, 5, 4)
    assert images.class_names == ("0", "1", "2")
    assert images.pixels is not None
    np.testing.assert_array_equal(images.pixels[:, 0].numpy(), pixels)
    assert images.labels is not None
    np.testing.assert_array_equal(images.labels.numpy(), labels)


def test_the_test_split_is_called_t10k_on_disk(tmp_path, idx, rng) -> None:
    for stem, count in (("train", 3), ("t10k", 2)):
        idx(tmp_path / f"{stem}-images-idx3-ubyte", rng.integers(0, 256, (count, 4, 4)))
    assert len(ImageData(str(tmp_path), split="test").open()) == 2
    with pytest.raises(DataError, match="Known: train, test"):
        ImageData(str(tmp_path), split="validation").open()


def test_other_sizes_are_resized(tmp_path, idx, rng) -> None:
    pixels = rng.integers(0, 256, (3, 4, 8))
    idx(tmp_path / "train-images-idx3-ubyte", pixels)
    images = ImageData(str(tmp_path), size=4, resize="crop", channels=3).open()
    assert images.pixels is not None
    for channel in range(3):
        np.testing.assert_array_equal(images.pixels[:, channel].numpy(), pixels[:, :, 2:6])


def test_counts_must_match(tmp_path, idx, rng) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", rng.integers(0, 256, (7, 5, 4)))
    idx(tmp_path / "train-labels-idx1-ubyte", np.zeros(6))
    with pytest.raises(DataError, match=r"7 pictures but .* 6 labels"):
        ImageData(str(tmp_path)).open()


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_a_truncated_file_is_refused(tmp_path: Path, idx, rng, ending: str) -> None:
    path = tmp_path / f"train-images-idx3-ubyte{ending}"
    idx(path, rng.integers(0, 256, (7, 5, 4)))
    whole = path.read_bytes()
    for keep in (0, 2, 10, len(whole) - 1):
        path.write_bytes(whole[:keep])
        with pytest.raises(DataError, match="train-images"):
            read_idx(path, num_dims=3)


def test_a_file_of_another_kind_is_refused(tmp_path: Path, idx) -> None:
    idx(tmp_path / "x", np.zeros(3))
    with pytest.raises(DataError, match="1 dimensions; 3 are expected"):
        read_idx(tmp_path / "x", num_dims=3)
    (tmp_path / "x").write_bytes(b"hello there")
    with pytest.raises(DataError, match="not an idx file"):
        read_idx(tmp_path / "x", num_dims=3)
