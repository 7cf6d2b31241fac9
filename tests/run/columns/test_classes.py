"""Classes and tags against what stands in the cells."""

import math

import pytest
import torch

from clarion.base.condition import ClassEntry, TagsEntry, VectorEntry
from clarion.base.errors import ClarionError, DataError


def test_words_are_numbered_in_sorted_order(read):
    column = read("it=class", it=["dog", None, " cat ", "eel", math.nan, "cat"])
    assert column.entry == ClassEntry(3, ("cat", "dog", "eel"))
    assert column.present.tolist() == [True, False, True, True, False, True]
    indices = torch.tensor([5, 0, 3, 0, 1])
    assert column.batch(indices).tolist() == [0, 1, 2, 1, 0]
    assert column.summary["values"] == {"cat": 2, "dog": 1, "eel": 1}
    assert (column.summary["present"], column.summary["count"]) == (4, 6)


@pytest.mark.parametrize("cells", [[2, 0, None, 2], ["2", "0", None, "2"], [2.0, 0.0, None, 2.0]])
def test_whole_numbers_are_classes_from_0_on(read, cells):
    """Numbers by whatever type a table holds them; class 1 is one that does not occur."""
    column = read("it=class", it=cells)
    assert column.entry == ClassEntry(3, ("0", "1", "2"))
    assert column.batch(torch.arange(4)).tolist() == [2, 0, 0, 2]
    assert column.entry.encode("it", "2", 1).tolist() == column.entry.encode("it", 2, 1).tolist()


def test_words_that_are_numbers_among_others_are_words(read):
    column = read("it=class", it=["10", "2", "few", "02", True])
    assert column.entry.class_names == ("02", "10", "2", "few", "true")


def test_classes_of_other_data_keep_their_numbers(read):
    entry = ClassEntry(3, ("1st", "2", "few"), dropout=0.3)
    column = read("it=class", entry=entry, it=[2, "1st", None])
    assert column.entry is entry
    assert column.batch(torch.arange(3)).tolist() == [1, 0, 0]
    with pytest.raises(
        DataError, match=r"row 2, column 'it': Unknown class of it '0'\. Known: 1st"
    ):
        read("it=class", entry=entry, it=["2", None, 0])
    absent = read("it=class", entry=entry, it=[None, None])
    assert not absent.present.any()


def test_tags_are_lists_or_texts(read):
    cells = ["red; round", ["small", "red"], [], None, "round,round ,", ""]
    column = read("it=tags", it=cells)
    assert column.entry == TagsEntry(("red", "round", "small"))
    assert column.present.tolist() == [True, True, True, False, True, True]
    expected = [[1, 1, 0], [1, 0, 1], [0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]]
    order = torch.tensor([3, 1, 0, 0, 5, 4, 2])
    assert column.batch(order).tolist() == [expected[i] for i in order]
    assert column.batch(order).dtype == torch.float32
    assert column.summary["values"] == {"red": 2, "round": 2, "small": 1}
    own = [column.entry.encode("it", [c], 1)[0].tolist() for c in ("red, round", ["small", "red"])]
    assert own == expected[:2]


@pytest.mark.parametrize(
    ("request_", "cells", "message"),
    [
        (
            "it=class",
            ["a", 3.5],
            r"row 1, column 'it': .*a word, or a whole number from 0 on, got 3\.5",
        ),
        ("it=class", ["a", -1], r"row 1, column 'it': .*got '-1'; leave the cell empty"),
        ("it=class", ["0", " -1"], r"row 1, column 'it': .*got ' -1'"),
        ("it=class", [None, []], r"row 1, column 'it': .*got \[\]"),
        ("it=class", [0, 10**6], "has the value 1000000, but only 2 values.*vector"),
        ("it=class", [None, None], "has no values: column 'it' is empty for all 2 examples"),
        ("it=tags", ["a", 3], "row 1, column 'it': tags must be a list of words.*got 3"),
        ("it=tags", ["a", ["a", 3]], "row 1, column 'it': tags must be"),
        ("it=tags", ["a", "b,c++"], r"row 1, column 'it': A tag cannot be called 'c\+\+'"),
        ("it=tags", [[], None, ""], "has no tag in any of 2 rows"),
        ("it=class:other", ["a", ""], "'other': a class must be a word"),
    ],
)
def test_cells_of_another_kind_are_named(read, request_, cells, message):
    with pytest.raises(ClarionError, match=message):
        read(request_, it=cells, other=cells)


def test_conditions_of_another_kind_are_refused(read):
    with pytest.raises(DataError, match="'it' is read as class here, and is a VectorEntry"):
        read("it=class", entry=VectorEntry(1), it=["a"])
    with pytest.raises(DataError, match="row 1, column 'it': Unknown tag of it 'blue'"):
        read("it=tags", entry=TagsEntry(("red",)), it=["red", "red, blue"])
