"""Pictures that were written, read back and compared pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.errors import ClarionError
from clarion.domains.image.drawing import save_grid, save_images, save_labelled_grid


def read(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_single_pictures_come_back(tmp_path: Path, rng, channels: int) -> None:
    pixels = rng.integers(0, 256, (3, channels, 5, 4), dtype=np.uint8)
    images = torch.from_numpy(pixels) / 255
    paths = save_images(images, tmp_path / "out", [17, 4, 1_000_000])
    assert [p.name for p in paths] == ["000017.png", "000004.png", "1000000.png"]
    for path, one in zip(paths, pixels, strict=True):
        expected = one[0] if channels == 1 else one.transpose(1, 2, 0)
        np.testing.assert_array_equal(read(path), expected)


def test_a_grid_is_filled_row_by_row(tmp_path: Path) -> None:
    shades = torch.tensor([0.0, 51, 102, 153, 204]) / 255
    images = shades.reshape(5, 1, 1, 1).expand(5, 1, 10, 10)
    sheet = read(save_grid(images, tmp_path / "grid.png", columns=3, scale=2))
    gap = 2
    assert sheet.shape == (2 * (20 + gap) + gap, 3 * (20 + gap) + gap)
    for number, shade in enumerate([0, 51, 102, 153, 204]):
        row, column = divmod(number, 3)
        y, x = gap + row * (20 + gap), gap + column * (20 + gap)
        assert (sheet[y : y + 20, x : x + 20] == shade).all()
    assert (sheet[24:44, 46:] == 255).all()  # the sixth place stays empty


def test_enlarging_keeps_the_pixels_sharp(tmp_path: Path, rng) -> None:
    pixels = rng.integers(0, 256, (1, 3, 28, 28), dtype=np.uint8)
    sheet = read(save_grid(torch.from_numpy(pixels) / 255, tmp_path / "grid.png"))
    gap = (sheet.shape[0] - 84) // 2
    inner = sheet[gap : gap + 84, gap : gap + 84]
    np.testing.assert_array_equal(inner[1::3, 1::3], pixels[0].transpose(1, 2, 0))


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_labelled_grid_holds_every_picture_in_its_place(tmp_path: Path, channels: int) -> None:
    rows, groups, samples = 2, 3, 2
    # Reds that occur nowhere in the text, which is anti-aliased grey.
    values = 10 * (1 + torch.arange(rows * groups * samples)).reshape(rows, groups, samples) / 255
    images = torch.zeros(rows, groups, samples, channels, 28, 28)
    images[..., 0, :, :] = values[..., None, None]
    if channels == 4:
        images[..., 3, :, :] = 1
    path = save_labelled_grid(
        images,
        tmp_path / "deep" / "grid.png",
        row_labels=["trouser", "bag"],
        group_headings=["guidance 1", "guidance 2", "a heading much wider than its pictures"],
        title="Garments",
        caption="seed 0",
    )
    sheet = read(path).astype(int)
    corners = {}
    for place in np.ndindex(rows, groups, samples):
        value = round(float(values[place]) * 255)
        colour = [value] * 3 if channels == 1 else [value, 0, 0]
        y, x = np.nonzero((sheet == colour).all(axis=2))
        if channels > 1:  # in grey, the text has such pixels too
            assert len(y) == 84 * 84
            assert (np.ptp(y), np.ptp(x)) == (83, 83)
        corners[place] = (int(np.median(y)), int(np.median(x)))
    for r, g, s in corners:
        assert corners[r, g, s][0] == corners[r, 0, 0][0]
        assert corners[r, g, s][1] == corners[0, g, s][1]
    assert corners[0, 0, 0][0] < corners[1, 0, 0][0]
    columns = [corners[0, g, s][1] for g in range(groups) for s in range(samples)]
    assert columns == sorted(columns)
    border = [sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1]]
    assert all((edge == 255).all() for edge in border)  # nothing is cut off


def test_wrong_shapes_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ClarionError, match=r"got \(2, 5, 4, 4\)"):
        save_grid(torch.zeros(2, 5, 4, 4), tmp_path / "x.png")
    with pytest.raises(ClarionError, match="at least one picture"):
        save_grid(torch.zeros(0, 1, 4, 4), tmp_path / "x.png")
    with pytest.raises(ClarionError, match="columns must be at least 1, got 0"):
        save_grid(torch.zeros(1, 1, 4, 4), tmp_path / "x.png", columns=0)
    with pytest.raises(ClarionError, match="2 rows, 1 groups"):
        save_labelled_grid(
            torch.zeros(1, 2, 3, 1, 4, 4),
            tmp_path / "x.png",
            row_labels=["a", "b"],
            group_headings=["c"],
        )
