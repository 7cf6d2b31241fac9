"""What users give as conditions: every good form is read, every bad one refused with its name."""

import math

import numpy as np
import pytest
import torch

from clarion.base.condition import (
    CONDITION_ENTRIES,
    ClassEntry,
    Condition,
    VectorEntry,
    encode_condition,
)
from clarion.base.errors import ClarionError

SPEC = {"label": ClassEntry(3, ("dress", "shirt", "bag")), "size": VectorEntry(2)}


def encode(**given):
    return encode_condition(SPEC, given, 2)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (1, [1, 1]),
        ("shirt", [1, 1]),
        ("1", [1, 1]),
        (1.0, [1, 1]),
        ([0, 2], [0, 2]),
        (("bag", 0), [2, 0]),
        (range(2), [0, 1]),
        (torch.tensor(2), [2, 2]),
        (torch.tensor([2, 0]), [2, 0]),
        (torch.tensor([2.0, 0.0]), [2, 0]),
        (np.array([2, 0]), [2, 0]),
        (np.array(2), [2, 2]),
        (np.int64(2), [2, 2]),
        ([torch.tensor(2), np.int64(0)], [2, 0]),
    ],
)
def test_labels(given, expected):
    condition = encode(label=given)
    assert condition.values["label"].dtype == torch.int64
    assert condition.values["label"].tolist() == expected
    assert condition.present["label"].tolist() == [True, True]
    assert condition.present["size"].tolist() == [False, False]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (3, r"'label' must be in 0\.\.2, got 3"),
        (-1, r"'label' must be in 0\.\.2, got -1"),
        ("3", r"'label' must be in 0\.\.2, got 3"),
        ([0, 7], r"'label' must be in 0\.\.2, got 7"),
        (10**400, r"'label' must be in 0\.\.2"),
        ("shrit", "Unknown label 'shrit'. Did you mean 'shirt'\\? Known: dress, shirt, bag"),
        ("--3", "Unknown label '--3'"),
        ("", "Unknown label ''"),
        (1.5, "'label' must be a whole number, got 1.5"),
        (True, "'label' must be a whole number, got True"),
        (np.True_, "'label' must be a whole number, got True"),
        ([np.True_, 1], "'label' must be a whole number, got"),
        (torch.tensor([True, False]), "'label' must be a whole number, got True"),
        (math.nan, "'label' must be a whole number, got nan"),
        (math.inf, "'label' must be a whole number, got inf"),
        ([True, 1], "'label' must be a whole number, got True"),
        (1j, "'label' must be a whole number, got 1j"),
        (b"1", "'label' must be a whole number, got b'1'"),
        (torch.tensor([[1], [2]]), r"'label' must be a whole number, got \[1\]"),
        ([0, 1, 2], "'label' has 3 values for 2 samples; give one or 2"),
        ([], "'label' has 0 values for 2 samples"),
    ],
)
def test_bad_labels(given, message):
    with pytest.raises(ClarionError, match=message):
        encode(label=given)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 2], [[1, 2], [1, 2]]),
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (["1", "2"], [[1, 2], [1, 2]]),  # words, as a command line has them
        (torch.tensor([1.0, 2.0], dtype=torch.float64), [[1, 2], [1, 2]]),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
    ],
)
def test_vectors(given, expected):
    condition = encode(size=given)
    assert condition.values["size"].dtype == torch.float32
    assert condition.values["size"].tolist() == expected
    assert condition.present["size"].tolist() == [True, True]


def test_a_vector_of_one_number_may_be_a_number():
    condition = encode_condition({"speed": VectorEntry(1)}, {"speed": 2.5}, 3)
    assert condition.values["speed"].tolist() == [[2.5]] * 3
    condition = encode_condition({"speed": VectorEntry(1)}, {"speed": [1, 2, 3]}, 3)
    assert condition.values["speed"].tolist() == [[1], [2], [3]]
    with pytest.raises(ClarionError, match=r"shape \(1,\) or \(3, 1\), got \(2,\)"):
        encode_condition({"speed": VectorEntry(1)}, {"speed": [1, 2]}, 3)


def test_a_name_made_of_digits_stands_before_the_number():
    """Class folders may be called 1, 2 and 3; what is typed is the name."""
    spec = {"label": ClassEntry(3, ("1", "2", "3"))}
    condition = encode_condition(spec, {"label": ["1", 1, "0"]}, 3)
    assert condition.values["label"].tolist() == [0, 1, 0]


def test_a_word_is_no_label_where_classes_have_no_names():
    with pytest.raises(ClarionError, match=r"'label' must be a whole number, got 'x'"):
        encode_condition({"label": ClassEntry(3)}, {"label": "x"}, 2)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([math.nan, 1.0], "'size' must be finite"),
        ([math.inf, 1.0], "'size' must be finite"),
        ([1e300, 1.0], "'size' must be finite"),  # more than float32 holds
        ([1, 2, 3], r"'size' must have shape \(2,\) or \(2, 2\), got \(3,\)"),
        ([[1, 2]] * 3, r"'size' must have shape \(2,\) or \(2, 2\), got \(3, 2\)"),
        (5, r"'size' must have shape \(2,\) or \(2, 2\), got \(\)"),
        ("ab", "'size' must be numbers, got 'ab'"),
        (["a", "b"], "'size' must be numbers"),
        ([None, "x"], "'size' must be numbers"),
        ([[1], [2, 3]], "'size' must be numbers"),
    ],
)
def test_bad_vectors(given, message):
    with pytest.raises(ClarionError, match=message):
        encode(size=given)


def test_unknown_names():
    with pytest.raises(ClarionError, match=r"Unknown condition 'lable'\. Did you mean 'label'\?"):
        encode(lable=1)
    with pytest.raises(ClarionError, match=r"Unknown condition 'label'\. Known: none"):
        encode_condition({}, {"label": 1}, 2)


def test_what_is_not_given_is_absent():
    for condition in (encode(), encode(label=None, size=None)):
        assert not any(mask.any() for mask in condition.present.values())
        assert condition.values["label"].shape == (2,)
        assert condition.values["size"].shape == (2, 2)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ClassEntry(0), "num_classes must be at least 1, got 0"),
        (lambda: ClassEntry(2, ("a",)), "must name all 2 classes, got 1"),
        (lambda: VectorEntry(0), "size must be at least 1, got 0"),
        (lambda: ClassEntry(2, dropout=1.5), r"dropout must be in \[0, 1\], got 1.5"),
        (lambda: VectorEntry(2, dropout=math.nan), r"dropout must be in \[0, 1\], got nan"),
    ],
)
def test_bad_entries(make, message):
    with pytest.raises(ClarionError, match=message):
        make()


def test_entries_stand_in_their_table():
    assert CONDITION_ENTRIES.name_of(ClassEntry(2)) == "class"
    assert CONDITION_ENTRIES.name_of(VectorEntry(2)) == "vector"


def equal(first: Condition, second: Condition) -> bool:
    return all(
        a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
        for a, b in ((first.values, second.values), (first.present, second.present))
    )


def test_drop_and_keep_where():
    condition = encode(label=[1, 2], size=[3, 4])
    dropped = condition.drop()
    assert not any(mask.any() for mask in dropped.present.values())
    assert torch.equal(dropped.values["label"], condition.values["label"])
    assert condition.present["label"].tolist() == [True, True]  # the first is left as it was
    kept = condition.keep_where({"label": torch.tensor([False, True])})
    assert kept.present["label"].tolist() == [False, True]
    assert kept.present["size"].tolist() == [True, True]
    # What is absent does not come back.
    assert equal(dropped.keep_where({"label": torch.tensor([True, True])}), dropped)


def test_rows_and_concatenate_undo_each_other():
    condition = encode(label=[1, 2], size=[[3, 4], [5, 6]])
    condition = condition.keep_where({"size": torch.tensor([True, False])})
    first, second = condition.rows(slice(0, 1)), condition.rows(torch.tensor([1]))
    assert second.values["label"].tolist() == [2]
    assert second.present["size"].tolist() == [False]
    assert equal(Condition.concatenate([first, second]), condition)


def test_to_moves_values_and_masks():
    moved = encode(label=1).to("meta")
    assert {v.device.type for v in (*moved.values.values(), *moved.present.values())} == {"meta"}
