"""Metadata beside files."""

from pathlib import Path

import pytest

from clarion.base.errors import DataError
from clarion.run.columns.metadata import Metadata


def paths(folder: Path) -> list[Path]:
    return [folder / "a.png", folder / "in" / "b.png", folder / "c.png"]


def test_csv(tmp_path):
    (tmp_path / "metadata.csv").write_text(
        '\ufefffile_name,caption,weight\nc.png,"a cat, asleep",\n\nin/b.png,"say ""hi""",3.5\n',
        encoding="utf-8",
    )
    metadata = Metadata(tmp_path, paths(tmp_path))
    assert metadata.columns() == ("caption", "weight")
    assert metadata.cells("caption") == [None, 'say "hi"', "a cat, asleep"]
    assert metadata.cells("weight") == [None, "3.5", None]


def test_jsonl(tmp_path):
    (tmp_path / "metadata.jsonl").write_text(
        '{"file_name": "./a.png", "tags": ["x", "y"]}\n\n{"n": 0, "file_name": "c.png"}\n'
    )
    metadata = Metadata(tmp_path, paths(tmp_path))
    assert metadata.columns() == ("tags", "n")
    assert metadata.cells("tags") == [["x", "y"], None, None]
    assert metadata.cells("n") == [None, None, 0]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("csv", "file,x\na.png,1\n", r"must have a column 'file_name', got file, x\."),
        ("csv", "", r"must begin with .*, got \[\]"),
        ("csv", "file_name,x,x\n", "each once"),
        ("csv", "file_name,x\n", "has no rows"),
        ("csv", "file_name,x\na.png,1,2\n", "line 2 has 3 cells for 2 columns; .*in quotes"),
        ("csv", "file_name,x\n,1\n", "line 2 names no file in 'file_name'"),
        ("csv", "file_name,x\na.png,1\nb.png,1\n", "line 3: there is no 'b.png' among the 3 files"),
        ("csv", "file_name,x\na.png,1\nc.png,2\n./a.png,1\n", "line 4: .*stands in line 2 already"),
        ("csv", 'file_name,x\na.png,"1\n', "cannot be read"),
        ("csv", "file_name,caption\na.png,1\n", "Unknown column 'x'. Known: caption"),
        ("jsonl", '{"file_name": "a.png", "x": 1}\n{"x": 2\n', "line 2 is no JSON"),
        ("jsonl", "[1]\n", r"line 1 must be an object, got \[1\]"),
        ("jsonl", '{"x": 2}\n', "line 1 names no file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, text, message):
    (tmp_path / f"metadata.{name}").write_text(text)
    with pytest.raises(DataError, match=rf"metadata\.{name}.*{message}") as caught:
        Metadata(tmp_path, paths(tmp_path)).cells("x")
    assert "\n" not in str(caught.value)


def test_one_file_not_none_nor_two(tmp_path):
    metadata = Metadata(tmp_path, paths(tmp_path))
    assert metadata.columns() == ()
    with pytest.raises(DataError, match=r"no column 'x': .* has no metadata.csv or metadata.jsonl"):
        metadata.cells("x")
    for name in ("csv", "jsonl"):
        (tmp_path / f"metadata.{name}").write_text("x")
    with pytest.raises(DataError, match="keep one of them"):
        Metadata(tmp_path, paths(tmp_path)).cells("x")


def test_a_file_of_that_name_for_other_purposes_has_no_columns(tmp_path):
    (tmp_path / "metadata.csv").write_bytes(b"\xff\xfe\x00 something else")
    assert Metadata(tmp_path, paths(tmp_path)).columns() == ()
    with pytest.raises(DataError, match=r"metadata\.csv cannot be read"):
        Metadata(tmp_path, paths(tmp_path)).cells("x")
