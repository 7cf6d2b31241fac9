"""The report against counts made by hand."""

from __future__ import annotations

import io
import json

import pytest
from rich.console import Console

from clarion.domains.sequence.data import SequenceData

SEQUENCES = ["AAC", "A", "AAC", "GA", "A"]


def render(report) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(report)
    return stream.getvalue()


def test_counts_lengths_and_frequencies(table):
    file = table("t.csv", sequence=SEQUENCES, score=[1, 2, 1, 3, 4], note=["x"] * 5)
    config = SequenceData(str(file), alphabet="dna", conditions=("score=vector",))
    report = config.describe(config.open())
    assert (report.count, report.length) == (5, 3)
    assert report.vocabulary == {"A": 7, "C": 2, "G": 1, "T": 0}
    assert report.padding == pytest.approx(5 / 15, rel=1e-12)
    # of the sorted lengths 1 1 2 3 3, between neighbours in proportion
    assert report.lengths == pytest.approx(
        {"shortest": 1, "5%": 1, "median": 2, "95%": 3, "longest": 3}
    )
    found = report.duplicates
    assert (found.num_surplus, found.num_groups, found.num_conflicts) == (2, 2, 1)
    assert found.pairs[1] == (f"{file}, line 3", f"{file}, line 6")
    assert report.unused == ("note",)
    assert json.loads(json.dumps(report.to_json()))["conditions"]["score"]["present"] == 5
    text = render(report)
    for line in (
        "shortest 1, 5% 1, median 2, 95% 3, longest 3 tokens, filled up to 3",
        "4 different: A 70%, C 20%, G 10%, T 0%",
        "33.3% of all tokens",
        "2 repeat an earlier sequence (2 groups), 1 of them with other conditions",
        "1 to 4, mean 2.2",
        "columns note",
    ):
        assert line in text


def test_sequences_of_one_length_have_no_padding(table):
    config = SequenceData(str(table("t.csv", sequence=["AB", "B "], x=[1, 2])))
    report = config.describe(config.open())
    assert report.padding == 0
    text = render(report)
    assert "2 tokens each" in text
    assert "B 50%, ' ' 25%" in text or "B 50%, A 25%, ' ' 25%" in text
    assert "columns x (read as conditions with --conditions NAME=KIND)" in text


def test_windows_are_counted_as_they_are_read(tmp_path):
    (tmp_path / "t.txt").write_text("abcab")
    config = SequenceData(str(tmp_path / "t.txt"), length=2, stride=1)
    report = config.describe(config.open())
    assert report.count == 4  # ab bc ca ab
    assert report.vocabulary == {"a": 3, "b": 3, "c": 2}
    assert report.duplicates.num_surplus == 1


def test_many_tokens_are_not_all_shown(tmp_path):
    (tmp_path / "t.txt").write_text("".join(map(chr, range(0x4E00, 0x4E00 + 100))))
    config = SequenceData(str(tmp_path / "t.txt"), length=50)
    assert "and 60 more, to 1 times" in render(config.describe(config.open()))
