"""Tables written as text."""

import gzip
from pathlib import Path

import pytest

from clarion.base.errors import DataError
from clarion.run.columns.delimited import DelimitedTable

TEXT = '\ufeffsequence,note,score\nACGT,"a, b",1\n\nAC,"two\nlines",\n,"say ""hi""",3\n'


def write(path: Path, text: str) -> Path:
    raw = text.encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.TSV.GZ"])
def test_cells_and_their_lines(tmp_path, name):
    text = TEXT if "csv" in name else TEXT.replace(",", "\t").replace("a\t b", "a, b")
    file = write(tmp_path / name.replace(".GZ", ".gz"), text)
    table = DelimitedTable(file)
    assert len(table) == 3
    assert table.columns() == ("sequence", "note", "score")
    assert table.cells("sequence") == ["ACGT", "AC", None]
    assert table.cells("note") == ["a, b", "two\nlines", 'say "hi"']
    assert table.cells("score") == ["1", None, "3"]
    assert [table.name(i) for i in range(3)] == [f"{file}, line {n}" for n in (2, 5, 6)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"must begin with the names of its columns, each once, got \[\]"),
        ("a,a\n1,2\n", r"each once, got \['a', 'a'\]"),
        ("a,b\n", "has no rows"),
        ("a,b\n1,2\n1,2,3\n", "line 3 has 3 cells for 2 columns"),
        ('a,b\n1,"2\n', "cannot be read: unexpected end of data"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, message):
    for name in ("t.csv", "t.csv.gz"):
        with pytest.raises(DataError, match=rf"{name}.*{message}"):
            DelimitedTable(write(tmp_path / name, text))


def test_files_that_are_no_text(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"a,b\n\xff\xfe,1\n")
    (tmp_path / "cut.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 9)[:-9])
    (tmp_path / "no.csv.gz").write_bytes(b"a,b\n1,2\n")
    for name, message in (("t.csv", "decode"), ("cut.csv.gz", "end-of-stream"), ("no.csv.gz", "")):
        with pytest.raises(DataError, match=rf"{name} cannot be read: .*{message}"):
            DelimitedTable(tmp_path / name)


def test_an_unknown_column_is_refused(tmp_path):
    table = DelimitedTable(write(tmp_path / "t.csv", TEXT))
    with pytest.raises(DataError, match=r"Unknown column 'skore'. Did you mean 'score'\? Known: "):
        table.cells("skore")
