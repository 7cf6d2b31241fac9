"""Files: FASTA records, and what a source is."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from clarion.base.errors import DataError
from clarion.domains.image.data import ImageData
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.sources import is_sequence_file, open_rows
from clarion.domains.tables import kind_of

FASTA = ">one first\nACDE\nFG\n\n>two\r\nAC \n>three\nA\nC\nD\n"


@pytest.mark.parametrize("name", ["p.fasta", "p.fa", "p.faa", "p.FNA", "p.fasta.gz"])
def test_lines_of_a_record_are_one_sequence(tmp_path, name):
    raw = FASTA.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith(".gz") else raw)
    source = open_rows(tmp_path / name)
    assert source.cells("sequence") == ["ACDEFG", "AC", "ACD"]
    assert source.cells("name") == ["one first", "two", "three"]
    examples = SequenceData(str(tmp_path / name), conditions=("family=class:name",)).open()
    assert examples.vocabulary.texts(examples.batch(torch.arange(3))[0]) == ["ACDEFG", "AC", "ACD"]
    assert examples.name(1) == f"{tmp_path / name}, line 5 (>two)"
    assert examples.condition_spec["family"].class_names == ("one first", "three", "two")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("ACDE\n", r'must begin with a line ">NAME", got \'ACDE\''),
        ("\n\n", "has no records"),
        (">one\nAC\n>two\n\n>three\nA\n", r"line 3 \(>two\), .*the sequence is empty"),
        (">one\nAC\n>two\nAJ\n", r"line 3 \(>two\), column 'sequence': unknown letter 'J'"),
    ],
)
def test_what_is_wrong_with_fasta_is_named(tmp_path, text, message):
    (tmp_path / "p.fasta").write_text(text)
    with pytest.raises(DataError, match=rf"p\.fasta.*{message}"):
        SequenceData(str(tmp_path / "p.fasta"), alphabet="protein").open()


def test_files_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "latin.fasta").write_bytes(b">a\n\xe9\n")
    (tmp_path / "no.fasta.gz").write_bytes(b">a\nAC\n")
    (tmp_path / "a.xlsx").touch()
    for name, message in [
        ("latin.fasta", "latin.fasta cannot be read: .*decode"),
        ("no.fasta.gz", "no.fasta.gz cannot be read"),
        ("a.xlsx", "a.xlsx is of another kind; sequences are read from one file that ends in .csv"),
        ("gone.csv", "There is no file .*gone.csv; sequences are read from one file"),
        (".", "is a folder; sequences are read from one file"),
    ]:
        with pytest.raises(DataError, match=message):
            SequenceData(str(tmp_path / name)).open()


def test_what_a_source_is(tmp_path):
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    texts, pictures = tmp_path / "texts.parquet", tmp_path / "pictures.parquet"
    parquet.write_table(pa.table({"text": ["a"], "label": [1]}), texts)
    parquet.write_table(
        pa.table({"image": [{"bytes": b"", "path": None}], "text": ["a"]}), pictures
    )
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1")
    for name in ("a.csv", "A.TSV", "b.csv.gz", "b.fa", "b.faa.gz", "book.txt", str(texts)):
        assert is_sequence_file(name)
        assert kind_of(name) is SequenceData
    for name in (".", "photos/", "owner/name", "--size", str(pictures), str(broken), "x.parquet"):
        assert not is_sequence_file(name)
        assert kind_of(name) is ImageData
    assert Path(texts).is_file()
