"""Vectors with units, tags, fields and sequences: good forms are read, bad ones refused by name."""

import math

import numpy as np
import pytest
import torch

from clarion.base.condition import (
    FieldEntry,
    SequenceEntry,
    TagsEntry,
    VectorEntry,
    encode_condition,
)
from clarion.base.errors import ClarionError

BODY = VectorEntry(2, names=("age", "height"), units=("years", "m"), mean=(40, 1.5), std=(20, 0.25))
TAGS = TagsEntry(("red", "round", "big"))
FIELD = FieldEntry(1, (2, 3))
TOKENS = SequenceEntry(3, num_tokens=5)
VECTORS = SequenceEntry(3, size=2)


def read(entry, given, n=2):
    condition = encode_condition({"it": entry}, {"it": given}, n)
    return condition.values["it"].tolist(), condition.present["it"].tolist()


def refused(entry, given, message, n=2):
    with pytest.raises(ClarionError, match=message):
        encode_condition({"it": entry}, {"it": given}, n)


@pytest.mark.parametrize(
    "given",
    [
        [60, 1.25],
        {"height": 1.25, "age": "60"},
        [[60, 1.25]] * 2,
        [torch.tensor([60, 1.25]), np.array([60, 1.25])],
    ],
)
def test_vectors_are_standardised(given):
    assert read(BODY, given)[0] == [[1, -1], [1, -1]]


def test_a_vector_is_fitted_to_data():
    data = torch.tensor([[1.0, 5.0, 0.1], [3.0, 5.0, 0.1], [5.0, 5.0, 0.1]])
    fitted = VectorEntry(3, dropout=0.2).fit(data)
    assert fitted.mean == pytest.approx((3, 5, 0.1))
    assert fitted.std == pytest.approx((math.sqrt(8 / 3), 1, 1))  # of numbers that do not vary: 1
    assert fitted.dropout == 0.2
    encoded = fitted.encode("it", data, 3)
    torch.testing.assert_close(encoded.mean(0), torch.zeros(3), rtol=0, atol=1e-6)
    torch.testing.assert_close(encoded.square().mean(0), torch.tensor([1.0, 0, 0]))
    with pytest.raises(ClarionError, match=r"values must be \(n, 2\), got \(3, 3\)"):
        VectorEntry(2).fit(data)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"aeg": 1, "height": 2}, r"Unknown part of it 'aeg'\. Did you mean 'age'\?"),
        ({"age": 1}, "'it' lacks height"),
        ({"age": 1, "height": "x"}, "'it' must be numbers"),
        ([1, None], r"must have shape \(2,\) or \(1, 2\), got \(1,\)"),
    ],
)
def test_bad_named_vectors(given, message):
    refused(BODY, given, message)


def test_the_rows_of_a_list_with_gaps_are_read_one_by_one():
    """[1, None, 2] are three samples of which two have a number, not a vector of two numbers."""
    refused(VectorEntry(2), [1, None, 2], r"shape \(2,\) or \(1, 2\), got \(1,\)", n=3)
    assert read(VectorEntry(1), [1, None, 2], 3) == ([[1], [0], [2]], [True, False, True])
    assert read(BODY, [None, [60, 1.25]]) == ([[0, 0], [1, -1]], [False, True])


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("red", [[1, 0, 0]] * 2),
        ("red, big", [[1, 0, 1]] * 2),
        ("big+red", [[1, 0, 1]] * 2),
        ("", [[0, 0, 0]] * 2),
        ({"red", "round"}, [[1, 1, 0]] * 2),
        (["red+big", "round"], [[1, 0, 1], [0, 1, 0]]),
        ((["red", "big"], []), [[1, 0, 1], [0, 0, 0]]),
        (torch.tensor([True, False, True]), [[1, 0, 1]] * 2),
        (np.array([[1, 0, 1], [0, 0, 0]]), [[1, 0, 1], [0, 0, 0]]),
        ([torch.tensor([1, 0, 0]), {"big"}], [[1, 0, 0], [0, 0, 1]]),
    ],
)
def test_tags(given, expected):
    assert read(TAGS, given) == (expected, [True, True])


def test_no_tags_is_a_value_and_none_is_none():
    assert read(TAGS, [[], None]) == ([[0, 0, 0]] * 2, [True, False])
    assert read(TAGS, [["red", "big"], None]) == ([[1, 0, 1], [0, 0, 0]], [True, False])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("redd", r"Unknown tag of it 'redd'\. Did you mean 'red'\? Known: red, round, big"),
        (["red", ["green"]], "Unknown tag of it 'green'"),
        (["red", 3], "'it' must be names of tags, got 3"),
        (3, "'it' must be tags, such as 'red', got 3"),
        (["red", "round", "big"], "'it' has 3 values for 2 samples; give one or 2"),
        (torch.tensor([1.0, 0.5, 0]), "'it' must be zeros and ones"),
        (torch.ones(2), r"must have shape \(3,\) or \(2, 3\), got \(2,\)"),
    ],
)
def test_bad_tags(given, message):
    refused(TAGS, given, message)


def test_fields():
    one, other = torch.arange(6.0).reshape(1, 2, 3), torch.ones(1, 2, 3)
    assert read(FIELD, one)[0] == [one.tolist()] * 2
    assert read(FIELD, one.int().numpy())[0] == [one.tolist()] * 2
    assert read(FIELD, one.tolist())[0] == [one.tolist()] * 2
    for both in ([one, other], torch.stack([one, other])):
        assert read(FIELD, both)[0] == [one.tolist(), other.tolist()]
    assert read(FIELD, [None, one])[0] == [[[[0, 0, 0]] * 2], one.tolist()]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.ones(2, 3), r"'it' must have shape \(1, 2, 3\) or \(2, 1, 2, 3\), got \(2, 3\)"),
        (torch.ones(3, 1, 2, 3), r"got \(3, 1, 2, 3\)"),
        (torch.full((1, 2, 3), math.nan), "'it' must be finite"),
        ("mask.png", "'it' must be numbers, got 'mask.png'"),
        ([torch.ones(1, 2, 3), torch.ones(1, 2, 2)], "'it' must be numbers"),
    ],
)
def test_bad_fields(given, message):
    refused(FIELD, given, message)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([1, 4], [[1, 4, -1]] * 2),
        (range(3), [[0, 1, 2]] * 2),
        ([], [[-1, -1, -1]] * 2),
        (np.array([1, 4]), [[1, 4, -1]] * 2),
        ([[1, 4], [0]], [[1, 4, -1], [0, -1, -1]]),
        ([[], [2, 3, 4]], [[-1, -1, -1], [2, 3, 4]]),
        ([torch.tensor([1, 4]), [np.int64(3)]], [[1, 4, -1], [3, -1, -1]]),
        (torch.tensor([[1, 4], [0, 2]]), [[1, 4, -1], [0, 2, -1]]),
    ],
)
def test_tokens(given, expected):
    assert read(TOKENS, given) == (expected, [True, True])
    dtype = encode_condition({"it": TOKENS}, {"it": given}, 2).values["it"].dtype
    assert dtype == torch.int64


def test_sequences_of_vectors():
    assert read(VECTORS, [[1, 2], [3, 4]])[0] == [[[1, 2], [3, 4], [0, 0]]] * 2
    assert read(VECTORS, torch.ones(1, 2))[0] == [[[1, 1], [0, 0], [0, 0]]] * 2
    two = [[[1, 2]], torch.tensor([[3.0, 4], [5, 6]])]
    assert read(VECTORS, two)[0] == [[[1, 2], [0, 0], [0, 0]], [[3, 4], [5, 6], [0, 0]]]
    assert read(VECTORS, [None, [[1, 2]]]) == (
        [[[0, 0]] * 3, [[1, 2], [0, 0], [0, 0]]],
        [False, True],
    )


@pytest.mark.parametrize(
    ("entry", "given", "message"),
    [
        (TOKENS, [1, 5], r"'it' must be tokens in 0\.\.4, got \[1, 5\]"),
        (TOKENS, [-1], r"'it' must be tokens in 0\.\.4, got \[-1\]"),
        (TOKENS, [1.5], r"'it' must be whole numbers, got \[1\.5\]"),
        (TOKENS, [True], r"'it' must be whole numbers, got \[True\]"),
        (TOKENS, [0, 1, 2, 3], "'it' may be 3 long, got 4"),
        (TOKENS, [[0], [1], [2]], "'it' has 3 values for 2 samples"),
        (TOKENS, [[0], 1], "'it' must be whole numbers, got 1"),
        (TOKENS, "ab", "'it' must be a sequence, got 'ab'"),
        (TOKENS, 3, "'it' must be a sequence, got 3"),
        (TOKENS, torch.tensor(3), "'it' must be a sequence, got tensor"),
        (VECTORS, torch.ones(4, 2), "'it' may be 3 long, got 4"),
        (VECTORS, torch.ones(2, 3), r"'it' must have shape \(length, 2\), got \(2, 3\)"),
        (VECTORS, [[math.inf, 1]], "'it' must be finite"),
        (VECTORS, [["a", "b"]], "'it' must be numbers"),
    ],
)
def test_bad_sequences(entry, given, message):
    refused(entry, given, message)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: VectorEntry(2, names=("a",)), "names must have 2 parts, got 1"),
        (lambda: VectorEntry(2, names=("a", "a")), "names must differ"),
        (lambda: VectorEntry(2, units=("m",)), "units must have 2 parts, got 1"),
        (lambda: VectorEntry(1, mean=(math.nan,)), "mean must be finite"),
        (lambda: VectorEntry(1, std=(0.0,)), "std must be above 0"),
        (lambda: TagsEntry(()), "tag_names must be names that differ"),
        (lambda: TagsEntry(("a", "a")), "tag_names must be names that differ"),
        (lambda: TagsEntry(("a,b",)), "A tag cannot be called 'a,b'"),
        (lambda: TagsEntry((" a",)), "A tag cannot be called ' a'"),
        (lambda: FieldEntry(0, (2,)), "channels must be at least 1"),
        (lambda: FieldEntry(1, ()), "sides must be"),
        (lambda: SequenceEntry(0, 3), "max_length must be at least 1"),
        (lambda: SequenceEntry(3), "num_tokens for a sequence of tokens or size for one of"),
        (lambda: SequenceEntry(3, 2, 2), "num_tokens for a sequence of tokens or size"),
    ],
)
def test_bad_entries(make, message):
    with pytest.raises(ClarionError, match=message):
        make()
