"""Whole sets: what is refused, what is skipped, and that memory and disk give the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.errors import DataError
from clarion.domains.image.data import ImageData


def test_memory_and_disk_give_the_same(class_folders: Path) -> None:
    kept = ImageData(str(class_folders)).open()
    on_the_fly = ImageData(str(class_folders), memory_limit_gib=0).open()
    assert kept.is_in_memory
    assert not on_the_fly.is_in_memory
    indices = torch.tensor([4, 0, 0, 2])
    expected = np.stack([np.asarray(Image.open(kept.name(i))) for i in indices.tolist()])
    for images in (kept, on_the_fly, on_the_fly.to("cpu")):
        pixels, condition = images.batch(indices)
        assert pixels.dtype == torch.uint8
        np.testing.assert_array_equal(pixels.permute(0, 2, 3, 1).numpy(), expected)
        assert condition.values["label"].tolist() == [1, 0, 0, 0]
        assert images.shape == (3, 8, 6)


def test_one_corrupt_picture_among_thousands(tmp_path: Path, rng) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    pixels = rng.integers(0, 256, (3000, 4, 4, 1), dtype=np.uint8)
    for i, one in enumerate(pixels):
        Image.fromarray(one[..., 0]).save(tmp_path / "ab"[i % 2] / f"{i:04d}.png")
    bad = tmp_path / "b" / "1501.png"
    bad.write_bytes(bad.read_bytes()[:-30])  # without its end mark and half of its pixels
    with pytest.raises(DataError) as caught:
        ImageData(str(tmp_path)).open()
    assert "1 of 3000 pictures cannot be decoded" in str(caught.value)
    assert str(bad) in str(caught.value)
    assert "--skip-bad" in str(caught.value)

    order = np.array([*range(0, 3000, 2), *(i for i in range(1, 3000, 2) if i != 1501)])
    for limit in (4.0, 0.0):
        images = ImageData(str(tmp_path), skip_bad=True, memory_limit_gib=limit).open()
        assert [name for name, _ in images.skipped] == [str(bad)]
        read, condition = images.batch(torch.arange(len(images)))
        np.testing.assert_array_equal(read[:, 0].numpy(), pixels[order, ..., 0])
        np.testing.assert_array_equal(condition.values["label"].numpy(), order % 2)
        assert images.name(2998) == str(tmp_path / "b" / "2999.png")


def test_many_bad_pictures_are_counted_and_some_named(class_folders: Path) -> None:
    for i in range(10):
        (class_folders / "cat" / f"x{i}.png").touch()
    with pytest.raises(DataError, match=r"10 of 15.*x4\.png: it is empty \(0 bytes\); and 5 more"):
        ImageData(str(class_folders)).open()


def test_a_class_of_bad_pictures_only_is_not_skipped(class_folders: Path) -> None:
    for path in (class_folders / "dog").iterdir():
        path.write_bytes(b"")
    with pytest.raises(DataError, match="No picture of class 'dog'"):
        ImageData(str(class_folders), skip_bad=True).open()


def test_bad_pictures_only(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    with pytest.raises(DataError, match=r"None of the 1 .*a\.png: it is no picture"):
        ImageData(str(tmp_path), skip_bad=True).open()


def test_mixed_sizes_need_a_rule(class_folders: Path, png) -> None:
    png(np.zeros((9, 6, 3)), class_folders / "dog" / "1.png")
    with pytest.raises(DataError) as caught:
        ImageData(str(class_folders)).open()
    message = str(caught.value)
    assert f"{class_folders / 'cat' / '0.png'} is 6x8" in message
    assert f"{class_folders / 'dog' / '1.png'} is 6x9" in message
    assert "crop, pad or stretch" in message
    assert ImageData(str(class_folders), size=5, resize="pad").open().shape == (3, 5, 5)


def test_a_size_alone_does_not_resize(class_folders: Path) -> None:
    with pytest.raises(DataError, match="is 6x8, but size is 8 and resize is 'none'"):
        ImageData(str(class_folders), size=8).open()


def test_mixed_channels_need_a_number(class_folders: Path, png) -> None:
    png(np.zeros((8, 6)), class_folders / "dog" / "1.png")
    with pytest.raises(DataError, match=r"0\.png has 3, .*1\.png has 1\. Set channels"):
        ImageData(str(class_folders)).open()
    assert ImageData(str(class_folders), channels=1).open().shape == (1, 8, 6)


def test_a_picture_that_changes_later_is_named(class_folders: Path, png) -> None:
    images = ImageData(str(class_folders), memory_limit_gib=0).open()
    (class_folders / "cat" / "1.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"1\.png changed since .* it is empty"):
        images.batch(torch.arange(5))
    png(np.zeros((4, 4, 3)), class_folders / "cat" / "1.png")
    with pytest.raises(DataError, match=r"1\.png changed since .* it is 4x4"):
        images.batch(torch.arange(5))


def test_class_names_order_the_classes(class_folders: Path) -> None:
    images = ImageData(str(class_folders), class_names=("dog", "cat")).open()
    assert images.batch(torch.arange(5))[1].values["label"].tolist() == [1, 1, 1, 0, 0]
    with pytest.raises(DataError, match=r"no folder for \['bird'\], and no name for \['cat'\]"):
        ImageData(str(class_folders), class_names=("dog", "bird")).open()


def test_progress_reaches_the_end(class_folders: Path) -> None:
    seen: list[tuple[int, int]] = []
    ImageData(str(class_folders)).open(lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": ""}, "source must name"),
        ({"size": 0}, "size must be at least 1 pixel, got 0"),
        ({"resize": "squash"}, "resize must be one of none, crop, pad, stretch, got 'squash'"),
        ({"resize": "crop"}, "needs size"),
        ({"channels": 5}, "channels must be 1, 2, 3 or 4, got 5"),
        ({"pad_value": 256}, "pad_value must be in 0..255"),
        ({"memory_limit_gib": float("nan")}, "memory_limit_gib must be 0 or more, got nan"),
        ({"class_names": ("a", "a")}, "class_names must differ"),
    ],
)
def test_bad_settings_are_refused(options: dict, message: str) -> None:
    with pytest.raises(DataError, match=message):
        ImageData(**{"source": "x", **options})
