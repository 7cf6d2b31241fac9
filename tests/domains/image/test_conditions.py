"""Conditions of pictures, out of the columns of tables and out of metadata beside files."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from rich.console import Console

from clarion.base.condition import ClassEntry, ConditionEntry
from clarion.base.errors import DataError
from clarion.base.normalizer import Normalizer
from clarion.domains.image.data import ImageData
from clarion.domains.tables import DATA
from clarion.run.examples import DataConfig, Fitted
from clarion.run.serialize import TABLES, from_json, to_json

ASKED = ("caption=text", "words=tags:tags", "body=vector:weight+height,units=kg+m")
CAPTIONS = ["a red cat", "a dog, asleep", None, "", "two dogs"]
TAGS = ["red;small", None, "big", None, "big,red"]
WEIGHTS = [3.0, 30.0, 5.0, None, 20.0]
HEIGHTS = [0.2, 0.6, 0.3, 0.4, 0.5]
NAMES = ["cat/0.png", "dog/0.png", "cat/2.png", "cat/1.png", "dog/1.png"]


@pytest.fixture
def described(class_folders: Path) -> Path:
    """The pets, of which the last has no row."""
    rows = [
        {"file_name": name, "caption": caption, "tags": tags, "weight": weight, "height": height}
        for name, caption, tags, weight, height in zip(
            NAMES, CAPTIONS, TAGS, WEIGHTS, HEIGHTS, strict=True
        )
    ]
    text = "\n".join(json.dumps(row) for row in rows[:4])
    (class_folders / "metadata.jsonl").write_text(text)
    return class_folders


def test_folders_with_metadata(described: Path) -> None:
    for limit in (4.0, 0.0):
        images = ImageData(str(described), conditions=ASKED, memory_limit_gib=limit).open()
        assert [Path(images.name(i)).name for i in range(5)] == [
            *("0.png", "1.png", "2.png"),
            *("0.png", "1.png"),
        ]
        order = [0, 3, 2, 1, 4]  # the number in the set of each of NAMES
        pixels, condition = images.batch(torch.tensor(order))
        assert pixels.shape == (5, 3, 8, 6)
        assert condition.values["label"].tolist() == [0, 1, 0, 0, 1]
        present = {name: mask.tolist() for name, mask in condition.present.items()}
        assert present == {
            "label": [True] * 5,
            "caption": [True, True, False, True, False],
            "words": [True, False, True, False, False],
            "body": [True, True, True, False, False],
        }
        table = np.stack([WEIGHTS[:3], HEIGHTS[:3]], 1).astype(float)
        entry = images.condition_spec["body"]
        np.testing.assert_allclose(entry.mean, table.mean(0), rtol=1e-14)
        np.testing.assert_allclose(entry.std, table.std(0), rtol=1e-14)
        expected = (table - table.mean(0)) / table.std(0)
        np.testing.assert_allclose(condition.values["body"][:3], expected, atol=1e-6)
        assert condition.values["words"].tolist()[:3] == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]
        texts = images.condition_spec["caption"].encode("", ["a red cat", "a dog, asleep"], 2)
        assert torch.equal(condition.values["caption"][:2], texts)


def test_any_order_gives_each_picture_its_own_values(described: Path) -> None:
    images = ImageData(str(described), conditions=ASKED).open()
    whole = images.batch(torch.arange(5))
    order = torch.tensor([3, 3, 0, 4, 2, 1])
    pixels, condition = images.to("cpu").batch(order)
    assert torch.equal(pixels, whole[0][order])
    for name in images.condition_spec:
        assert torch.equal(condition.values[name], whole[1].values[name][order])
        assert torch.equal(condition.present[name], whole[1].present[name][order])


def test_only_what_is_used_is_fitted(described: Path) -> None:
    """A picture that is left out takes its values with it."""
    (described / "dog" / "0.png").write_bytes(b"no picture")
    images = ImageData(str(described), conditions=ASKED, skip_bad=True).open()
    assert images.condition_spec["body"].mean == (4.0, 0.25)
    condition = images.batch(torch.arange(4))[1]
    assert condition.present["caption"].tolist() == [True, True, False, False]
    assert condition.values["label"].tolist() == [0, 0, 0, 1]


def test_validation_data_belong_to_the_spec_of_the_training(described: Path, tmp_path: Path, png):
    training = ImageData(str(described), conditions=ASKED).open()
    other = tmp_path / "other"
    (other / "dog").mkdir(parents=True)
    for name in ("8.png", "9.png"):
        png(np.zeros((8, 6, 3)), other / "dog" / name)
    data = ImageData(str(other), conditions=ASKED)
    codec = Normalizer((0.0,), (1.0,))  # of pictures, it says nothing of how they are read
    fitted = Fitted(training.condition_spec, training.shape, codec)
    rows = "file_name,caption,tags,weight,height\ndog/9.png,,{},40,0.7\n"
    (other / "metadata.csv").write_text(rows.format("big"))
    images = data.open(fitted=fitted)
    assert images.condition_spec == training.condition_spec
    condition = images.batch(torch.arange(2))[1]
    assert condition.values["label"].tolist() == [1, 1]  # as there, though cats are not here
    assert condition.values["words"].tolist() == [[0, 0, 0], [1, 0, 0]]
    assert condition.present["caption"].tolist() == [False, False]
    entry = training.condition_spec["body"]
    expected = (np.array([40, 0.7]) - entry.mean) / entry.std
    np.testing.assert_allclose(condition.values["body"][1], expected, rtol=1e-6)

    (other / "metadata.csv").write_text(rows.format("huge"))
    with pytest.raises(DataError, match=r"9\.png, column 'tags': Unknown tag of words 'huge'"):
        data.open(fitted=fitted)
    (other / "dog").rename(other / "dogs")
    label = replace(fitted, condition_spec={"label": training.condition_spec["label"]})
    with pytest.raises(DataError, match=r"8\.png: Unknown class 'dogs'. Did you mean 'dog'"):
        ImageData(str(other)).open(fitted=label)


@pytest.fixture
def table(tmp_path: Path, rng, monkeypatch) -> Path:
    """A parquet file of five pictures."""
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    cells = []
    for pixels in rng.integers(0, 256, (5, 4, 4), dtype=np.uint8):
        stream = io.BytesIO()
        Image.fromarray(pixels).save(stream, "PNG")
        cells.append({"bytes": stream.getvalue(), "path": None})
    lists = [None if t is None else t.replace(";", ",").split(",") for t in TAGS]
    columns = {"image": cells, "caption": CAPTIONS, "tags": lists, "weight": WEIGHTS}
    columns |= {"height": HEIGHTS, "label": ["x", None, "y", "x", None]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    return tmp_path / "t.parquet"


def test_tables(table: Path) -> None:
    with pytest.raises(DataError, match=r"2 rows have no label, such as row 1.*label=class"):
        ImageData(str(table), conditions=ASKED).open()
    images = ImageData(str(table), conditions=(*ASKED, "label=class")).open()
    condition = images.batch(torch.tensor([4, 3, 2, 1, 0]))[1]
    assert images.condition_spec["label"] == ClassEntry(2, ("x", "y"))
    assert condition.present["label"].tolist() == [False, True, True, False, True]
    assert condition.values["label"].tolist() == [0, 0, 1, 0, 0]
    assert condition.present["caption"].tolist() == [True, True, False, True, True]
    assert condition.present["body"].tolist() == [True, False, True, True, True]
    assert condition.values["words"].tolist()[0] == [1, 1, 0]
    assert images.labels.tolist() == [0, -1, 1, 0, -1]
    for asked, message in (
        ("c=text:captoin", r"t\.parquet: Unknown column 'captoin'. Did you mean 'caption'"),
        ("c=vector:caption", r"row 0, column 'caption': it must be a number, got 'a red cat'"),
        ("c=text:image", "Unknown column 'image'"),
    ):
        with pytest.raises(DataError, match=message):
            ImageData(str(table), conditions=("label=class", asked)).open()


def test_a_label_is_asked_for_once() -> None:
    for other in ({"label_column": "a"}, {"class_names": ("a", "b")}):
        with pytest.raises(DataError, match=r"label_column and class_names do not apply"):
            ImageData("x", conditions=("label=class",), **other)
    with pytest.raises(DataError, match="Unknown kind of condition 'words'"):
        ImageData("x", conditions=("label=words",))


def test_idx_files_have_no_columns(tmp_path: Path, idx) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", np.zeros((2, 4, 4)))
    with pytest.raises(DataError, match=r"no column 'caption': .* holds pictures only"):
        ImageData(str(tmp_path), conditions=("caption=text",)).open()


def test_the_config_and_the_spec_read_back(described: Path) -> None:
    config = ImageData(str(described), conditions=ASKED)
    tables = TABLES | {DataConfig: DATA}
    assert (
        from_json(ImageData, json.loads(json.dumps(to_json(config, tables))), "", tables) == config
    )
    assert "conditions" not in to_json(ImageData("x"), tables)  # as files of before have it
    for entry in config.open().condition_spec.values():
        plain = json.loads(json.dumps(to_json(entry)))
        assert from_json(ConditionEntry, plain, "") == entry


def test_the_report_says_what_is_known(described: Path) -> None:
    config = ImageData(str(described), conditions=("caption=text", ASKED[2], "words=tags:tags"))
    report = config.describe(config.open())
    plain = json.loads(json.dumps(report.to_json()))
    assert set(plain["conditions"]) == {"caption", "body", "words"}
    assert plain["conditions"]["words"]["values"] == {"big": 1, "red": 1, "small": 1}
    stream = io.StringIO()
    Console(file=stream, width=200).print(report)
    text = stream.getvalue()
    assert "text, in 3 of 5, 3 different, the longest of 5 tokens (at most 32): 'a red cat'" in text
    assert "vector, in 3 of 5" in text
    assert "weight: 3 to 30 kg, mean 12.67, deviation 12.28" in text
    assert "height: 0.2 to 0.6 m" in text
    assert "tags, in 2 of 5: big (1), red (1), small (1)" in text
    assert "not used" not in text
    plain = ImageData(str(described))
    Console(file=stream, width=200).print(plain.describe(plain.open()))
    assert "columns caption, tags, weight, height (read as conditions with" in stream.getvalue()


def test_rows_without_a_file_stop_it(described: Path) -> None:
    (described / "dog" / "0.png").unlink()
    with pytest.raises(DataError, match=r"line 2: there is no 'dog/0.png' among the 4 files"):
        ImageData(str(described), conditions=ASKED).open()
