"""Fields: a second picture for each."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.condition import FieldEntry
from clarion.base.errors import DataError
from clarion.base.normalizer import Normalizer
from clarion.domains.image.data import ImageData
from clarion.run.examples import Fitted


@pytest.fixture
def masked(class_folders: Path, png, rng) -> tuple[Path, dict[str, np.ndarray]]:
    """The pets, three of which have a mask of 6x8 that lies elsewhere."""
    (class_folders.parent / "masks").mkdir()
    masks, rows = {}, ["file_name,mask"]
    for name in ("cat/0.png", "cat/2.png", "dog/1.png"):
        file = name.replace("/", "-")
        masks[name] = png(rng.integers(0, 256, (8, 6)), class_folders.parent / "masks" / file)
        rows.append(f"{name},../masks/{file}")
    (class_folders / "metadata.csv").write_text("\n".join([*rows, "dog/0.png,"]))
    return class_folders, masks


def test_masks_in_files(masked) -> None:
    folder, masks = masked
    images = ImageData(str(folder), conditions=("mask=field",)).open()
    assert images.condition_spec["mask"] == FieldEntry(1, (8, 6))
    order = torch.tensor([4, 1, 0, 3, 2, 0])
    condition = images.batch(order)[1]
    for i, value, known in zip(
        order.tolist(), condition.values["mask"], condition.present["mask"], strict=True
    ):
        mask = masks.get(str(Path(images.name(i)).relative_to(folder)))
        assert bool(known) == (mask is not None)
        expected = np.zeros((8, 6)) if mask is None else mask / 255
        np.testing.assert_allclose(value[0], expected, atol=1e-7)
    column = images.conditions["mask"]
    assert column.summary == {"kind": "field", "present": 3, "count": 5, "shape": [1, 8, 6]}


def test_they_follow_the_rule_of_the_pictures(masked) -> None:
    folder, masks = masked
    asked = {"size": 4, "resize": "stretch", "conditions": ("mask=field:mask,channels=3",)}
    images = ImageData(str(folder), **asked).open()
    condition = images.batch(torch.arange(5))[1]
    small = Image.fromarray(masks["cat/2.png"]).convert("RGB").resize((4, 4), Image.BICUBIC)
    expected = np.asarray(small).transpose(2, 0, 1) / 255
    np.testing.assert_allclose(condition.values["mask"][2], expected, atol=1e-7)
    other = ImageData(str(folder), conditions=("mask=field",))
    spec = {"label": images.condition_spec["label"], "mask": FieldEntry(1, (4, 4))}
    fitted = Fitted(spec, images.shape, Normalizer((0.0,) * 3, (1.0,) * 3))
    with pytest.raises(DataError, match=r"'mask': it is 6x8, and others are 4x4; set size"):
        other.open(fitted=fitted)


def test_what_cannot_be_used_is_named(masked, png) -> None:
    folder, _ = masked
    masks = folder.parent / "masks"
    data = ImageData(str(folder), conditions=("mask=field",))
    png(np.zeros((9, 6)), masks / "dog-1.png")
    with pytest.raises(
        DataError, match=r"dog/1\.png, column 'mask': it is 6x9, and others are 6x8"
    ):
        data.open()
    (masks / "cat-2.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"cat/2\.png, column 'mask': it is no picture"):
        data.open()
    (masks / "cat-0.png").unlink()
    with pytest.raises(DataError, match=r"cat/0\.png, column 'mask': the file is gone"):
        data.open()
    with pytest.raises(DataError, match="channels must be 1, 2, 3 or 4, got 5"):
        ImageData("x", conditions=("mask=field:channels=5",))
    with pytest.raises(DataError, match="Unknown setting of field 'rule'"):
        ImageData("x", conditions=("mask=field:rule=3",))


def test_masks_in_tables(tmp_path: Path, rng, monkeypatch) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def encode(pixels: np.ndarray) -> bytes:
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        return stream.getvalue()

    pixels = rng.integers(0, 256, (3, 4, 4), dtype=np.uint8)
    cells = [{"bytes": encode(p), "path": None} for p in pixels]
    table = {"image": cells, "depth": [cells[2], None, cells[0]], "name": ["a", "b", "c"]}
    table["raw"] = [encode(p) for p in pixels]
    parquet.write_table(pa.table(table), tmp_path / "t.parquet")
    asked = ("depth=field", "raw=field")
    images = ImageData(str(tmp_path / "t.parquet"), conditions=asked).open()
    condition = images.batch(torch.arange(3))[1]
    assert condition.present["depth"].tolist() == [True, False, True]
    np.testing.assert_allclose(condition.values["depth"][0, 0], pixels[2] / 255, atol=1e-7)
    np.testing.assert_allclose(condition.values["raw"][:, 0], pixels / 255, atol=1e-7)
    with pytest.raises(DataError, match="column 'name' holds string, not pictures"):
        ImageData(str(tmp_path / "t.parquet"), conditions=("name=field",)).open()
