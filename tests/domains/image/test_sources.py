"""Folders of pictures: which are found, in which order, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clarion.base.errors import DataError
from clarion.domains.image.data import ImageData
from clarion.domains.image.sources import open_folder, open_source


def names(source) -> list[str]:
    return [Path(source.name(i)).name for i in range(len(source))]


def test_class_folders_are_sorted(class_folders: Path) -> None:
    source = open_folder(class_folders, "train")
    assert source.class_names == ("cat", "dog")
    assert names(source) == ["0.png", "1.png", "2.png", "0.png", "1.png"]
    assert source.labels is not None
    assert source.labels.tolist() == [0, 0, 0, 1, 1]


def test_class_folders_called_by_numbers_are_in_the_order_of_the_numbers(tmp_path, png) -> None:
    for name in ("10", "9", "1"):
        (tmp_path / name).mkdir()
        png(np.zeros((4, 4)), tmp_path / name / "a.png")
    assert open_folder(tmp_path, "train").class_names == ("1", "9", "10")


def test_a_folder_of_pictures_has_no_labels(tmp_path, png, rng) -> None:
    for name in ("b.PNG", "a.png", ".hidden.png", "notes.txt"):
        if name.endswith("txt"):
            (tmp_path / name).write_text("x")
        else:
            png(rng.integers(0, 256, (4, 4)), tmp_path / name)
    images = ImageData(str(tmp_path)).open()
    assert names(images.source) == ["a.png", "b.PNG"]
    assert images.labels is None
    assert images.class_names == ()


def test_deeper_folders_belong_to_their_class(tmp_path, png) -> None:
    (tmp_path / "cat" / "images").mkdir(parents=True)
    (tmp_path / "__MACOSX").mkdir()
    png(np.zeros((4, 4)), tmp_path / "cat" / "images" / "a.png")
    source = open_folder(tmp_path, "train")
    assert source.class_names == ("cat",)
    assert len(source) == 1


def test_splits_are_folders_called_like_splits(tmp_path, png) -> None:
    for split, count in (("train", 2), ("val", 1)):
        (tmp_path / split / "cat").mkdir(parents=True)
        for i in range(count):
            png(np.zeros((4, 4)), tmp_path / split / "cat" / f"{i}.png")
    assert len(open_source(str(tmp_path))) == 2
    assert len(open_source(str(tmp_path), split="val")) == 1
    with pytest.raises(DataError, match="Did you mean 'val'"):
        open_source(str(tmp_path), split="vall")


def test_a_split_that_cannot_be_is_refused(class_folders: Path) -> None:
    with pytest.raises(DataError, match="no folders called like splits"):
        open_source(str(class_folders), split="test")


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(DataError, match=r"No pictures found in .*Known endings: .*\.png"):
        open_source(str(tmp_path))


def test_an_empty_class_folder_is_named(class_folders: Path) -> None:
    (class_folders / "bird").mkdir()
    with pytest.raises(DataError, match=r"1 of the 3 class folders.* bird"):
        open_source(str(class_folders))


def test_pictures_beside_class_folders_are_refused(class_folders: Path, png) -> None:
    png(np.zeros((4, 4)), class_folders / "preview.png")
    with pytest.raises(DataError, match=r"no class, such as preview\.png"):
        open_source(str(class_folders))


@pytest.mark.parametrize("source", ["/no/such/folder", "mnist", "./here/there", "a/b/c", "a\\b"])
def test_a_folder_that_is_not_there_is_refused(source: str) -> None:
    with pytest.raises(DataError, match="No folder or file"):
        open_source(source)


def test_a_pattern_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No file matches"):
        open_source(f"{tmp_path}/*.parquet")


def test_a_single_picture_is_no_data_set(tmp_path: Path, png) -> None:
    png(np.zeros((4, 4)), tmp_path / "a.png")
    with pytest.raises(DataError, match=r"a\.png is none of these"):
        open_source(str(tmp_path / "a.png"))


def test_a_folder_that_may_not_be_read_is_refused(class_folders: Path, monkeypatch) -> None:
    def refuse(_self):
        raise PermissionError(13, "Permission denied", str(class_folders))

    monkeypatch.setattr(Path, "iterdir", refuse)  # root may read everything, so chmod would not do
    with pytest.raises(DataError, match="pets may not be read by this user"):
        open_source(str(class_folders))
