"""Tables: parquet files with and without the metadata of `datasets`, and the hub when it fails."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.errors import DataError
from clarion.domains.image.data import ImageData

pa = pytest.importorskip("pyarrow")
datasets = pytest.importorskip("datasets")
parquet = pytest.importorskip("pyarrow.parquet")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


def encode(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "PNG")
    return stream.getvalue()


def cell(pixels: np.ndarray) -> dict:
    return {"bytes": encode(pixels), "path": None}


def write(path: Path, **columns) -> str:
    """A parquet file without any metadata of `datasets`."""
    parquet.write_table(pa.table(columns), path)
    return str(path)


def test_structs_and_bytes_and_word_labels(tmp_path, rng) -> None:
    pixels = rng.integers(0, 256, (4, 5, 6, 3))
    words = ["dog", "cat", "dog", "ant"]
    for name, column in (("s", [cell(p) for p in pixels]), ("b", [encode(p) for p in pixels])):
        images = ImageData(write(tmp_path / f"{name}.parquet", picture=column, label=words)).open()
        assert images.class_names == ("ant", "cat", "dog")
        batch, condition = images.batch(torch.tensor([3, 0]))
        np.testing.assert_array_equal(batch.permute(0, 2, 3, 1).numpy(), pixels[[3, 0]])
        assert condition.values["label"].tolist() == [0, 2]


def test_class_names_of_datasets_and_reading_on_the_fly(tmp_path, rng) -> None:
    pixels = rng.integers(0, 256, (6, 4, 4))
    features = datasets.Features(
        {"img": datasets.Image(), "fine": datasets.ClassLabel(names=["x", "y", "z"])}
    )
    columns = {"img": [cell(p) for p in pixels], "fine": [0, 1, 1, 0, 1, 0]}
    table = datasets.Dataset.from_dict(columns, features=features)
    table.to_parquet(tmp_path / "t.parquet")
    images = ImageData(str(tmp_path / "t.parquet"), memory_limit_gib=0).open()
    assert not images.is_in_memory
    assert images.class_names == ("x", "y", "z")
    batch, condition = images.batch(torch.tensor([5, 2, 2]))
    np.testing.assert_array_equal(batch[:, 0].numpy(), pixels[[5, 2, 2]])
    assert condition.values["label"].tolist() == [0, 1, 1]
    asked = ImageData(str(tmp_path / "t.parquet"), conditions=("label=class:fine",)).open()
    assert asked.class_names == ("x", "y")  # those that occur
    assert asked.labels.tolist() == [0, 1, 1, 0, 1, 0]


def test_splits_are_file_names(tmp_path, rng) -> None:
    for name, count in (("train-0", 2), ("train-1", 1), ("validation", 4)):
        column = [cell(p) for p in rng.integers(0, 256, (count, 4, 4))]
        write(tmp_path / f"{name}.parquet", image=column)
    assert len(ImageData(str(tmp_path)).open()) == 3
    assert len(ImageData(str(tmp_path), split="validation").open()) == 4
    assert len(ImageData(f"{tmp_path}/train*.parquet").open()) == 3
    with pytest.raises(DataError, match="Unknown split 'test'"):
        ImageData(str(tmp_path), split="test").open()
    with pytest.raises(DataError, match="have no splits"):
        ImageData(str(tmp_path / "validation.parquet"), split="validation").open()


def test_a_bad_cell_is_named_by_its_row(tmp_path, rng) -> None:
    column = [cell(p) for p in rng.integers(0, 256, (5, 4, 4))]
    column[2] = {"bytes": column[2]["bytes"][:60], "path": "pictures/2.png"}
    column[4] = None
    source = write(tmp_path / "t.parquet", image=column)
    with pytest.raises(DataError, match=r"2 of 5 .*row 2 \(pictures/2.png\): .*row 4: it is empty"):
        ImageData(source).open()
    images = ImageData(source, skip_bad=True).open()
    assert images.positions.tolist() == [0, 1, 3]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, None, 1], "1 rows have no label, such as row 1"),
        ([0.5, 1.0, 2.0], "must be whole numbers or words, got double, such as 0.5"),
        ([0, 1, -1], "row 2 has label -1 .*without labels"),
        ([0, 1, 10**9], "row 2 has label 1000000000, but there are only 3 pictures"),
    ],
)
def test_bad_labels_are_refused(tmp_path, rng, labels: list, message: str) -> None:
    column = [cell(p) for p in rng.integers(0, 256, (3, 4, 4))]
    with pytest.raises(DataError, match=message):
        ImageData(write(tmp_path / "t.parquet", image=column, label=labels)).open()


def test_columns_that_are_not_there(tmp_path, rng) -> None:
    source = write(tmp_path / "words.parquet", text=["a"], age=[3])
    with pytest.raises(DataError, match=r"no column of pictures.*text \(string\), age \(int64\)"):
        ImageData(source).open()
    with pytest.raises(DataError, match="not pictures"):
        ImageData(source, image_column="text").open()
    column = [cell(p) for p in rng.integers(0, 256, (2, 4, 4))]
    source = write(tmp_path / "two.parquet", front=column, back=column)
    with pytest.raises(DataError, match=r"several columns of pictures \(front, back\)"):
        ImageData(source).open()
    assert len(ImageData(source, image_column="back").open()) == 2
    with pytest.raises(DataError, match="Did you mean 'back'"):
        ImageData(source, image_column="bak").open()
    with pytest.raises(DataError, match="Unknown label_column 'kind'"):
        ImageData(source, image_column="back", label_column="kind").open()


def test_a_damaged_file_is_named(tmp_path, rng) -> None:
    path = tmp_path / "t.parquet"
    write(path, image=[cell(p) for p in rng.integers(0, 256, (2, 4, 4))])
    whole = path.read_bytes()
    for content in (b"", whole[: len(whole) // 2], b"PAR1" + b"\0" * 50 + b"PAR1"):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"t\.parquet") as caught:
            ImageData(str(path)).open()
        assert "\n" not in str(caught.value)


def test_no_rows(tmp_path) -> None:
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    with pytest.raises(DataError, match="no rows"):
        ImageData(write(tmp_path / "t.parquet", image=pa.array([], kind))).open()


def test_datasets_is_not_installed(tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(DataError, match=r"pip install 'clarion\[data\]'"):
        ImageData("owner/name").open()
    with pytest.raises(DataError, match=r"pip install 'clarion\[data\]'"):
        ImageData(write(tmp_path / "t.parquet", image=[b"x"])).open()


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ConnectionError("Couldn't reach it"), "seems to be offline"),
        (datasets.exceptions.DatasetNotFoundError("no"), "no public data set of that name"),
        (ValueError("Unknown\nsplit"), "cannot be opened: ValueError: Unknown split"),
    ],
)
def test_the_hub_fails_in_one_line(monkeypatch, error: Exception, message: str) -> None:
    def fail(*_args, **_options):
        raise error

    monkeypatch.setattr(datasets, "load_dataset", fail)
    with pytest.raises(DataError, match=message) as caught:
        ImageData("owner/name").open()
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="/no/such is not on this machine"):
        ImageData("/no/such", fallback="owner/name").open()


def test_the_hub_serves_the_fallback(monkeypatch, rng) -> None:
    pixels = rng.integers(0, 256, (3, 4, 4))
    features = datasets.Features({"image": datasets.Image()})
    table = datasets.Dataset.from_dict({"image": [cell(p) for p in pixels]}, features=features)
    asked = []

    def serve(*args, **options):
        asked.append((args, options))
        return table

    monkeypatch.setattr(datasets, "load_dataset", serve)
    images = ImageData("/no/such", fallback="owner/name", split="test", subset="big").open()
    assert asked == [(("owner/name", "big"), {"split": "test"})]
    np.testing.assert_array_equal(images.batch(torch.arange(3))[0][:, 0].numpy(), pixels)
