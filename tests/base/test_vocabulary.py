"""Texts to the numbers of their tokens and back, for all short texts."""

from __future__ import annotations

import itertools
import re

import pytest
import torch

from clarion.base.errors import CheckpointError, ClarionError
from clarion.base.vocabulary import PADDING, Vocabulary
from clarion.run.serialize import from_json, to_json

DNA = Vocabulary(tuple("ACGT"), None)
SHORT = Vocabulary(("C", "Cl", "[nH]", "n", "<pad>"), "<pad>")


def test_numbers_are_places_in_the_alphabet():
    for text in map("".join, itertools.product("ACGT", repeat=4)):
        numbers = DNA.numbers(text)
        assert numbers == ["ACGT".index(letter) for letter in text]
        assert DNA.texts(torch.tensor([numbers])) == [text]


def test_the_longest_token_is_taken():
    assert SHORT.numbers("CCl[nH]nCCl") == [0, 1, 2, 3, 0, 1]
    assert Vocabulary(("a", "ab", "abc", "c")).numbers("abcabaac") == [2, 1, 0, 0, 3]


def test_characters_that_mean_something_to_a_pattern():
    vocabulary = Vocabulary.of([".*[](|)\\^$+?{}\n "])
    text = "\\$.*\n[(|)]^+?{} "
    assert vocabulary.texts(torch.tensor([vocabulary.numbers(text)])) == [text]


def test_texts_end_at_the_first_padding():
    tokens = torch.tensor([[0, 1, 4, 4], [4, 0, 0, 0], [2, 3, 4, 1], [3, 3, 3, 3]])
    assert SHORT.texts(tokens) == ["CCl", "", "[nH]n", "nnnn"]
    assert SHORT.texts(torch.empty(0, 4, dtype=torch.int64)) == []
    assert SHORT.texts(tokens.to(torch.uint8)) == SHORT.texts(tokens)


def test_short_texts_are_filled_up():
    for length in range(7):
        for text in map("".join, itertools.product(("C", "Cl"), repeat=length)):
            numbers = SHORT.numbers(text, 6)
            assert numbers == SHORT.numbers(text) + [4] * (6 - length)
            assert SHORT.texts(torch.tensor([numbers])) == [text]


def test_padding_is_never_read_out_of_a_text():
    vocabulary = Vocabulary.of(["a<pad>"], padding=PADDING)
    assert vocabulary.tokens == ("<", ">", "a", "d", "p", "<pad>")
    assert vocabulary.numbers("a<pad>", 7) == [2, 0, 4, 2, 3, 1, 5]
    assert vocabulary.letters == tuple("<>adp")


def test_a_vocabulary_of_texts_is_that_of_any_order_of_them():
    texts = ["CCO", "ClC", "", "N#N"]
    expected = Vocabulary(("#", "C", "N", "O", "l"))
    for order in itertools.permutations(texts):
        assert Vocabulary.of(order) == expected
    split = re.compile("Cl|.").findall
    assert Vocabulary.of(texts, split, "_").tokens == ("#", "C", "Cl", "N", "O", "_")


def test_tokens_of_models_are_those_of_the_data():
    stored = torch.tensor([[0, 255, 3]], dtype=torch.uint8)
    for change in (DNA.encode, DNA.decode):
        assert change(stored).dtype == torch.int64
        assert torch.equal(change(stored), torch.tensor([[0, 255, 3]]))
        with pytest.raises(ClarionError, match=r"whole numbers, got torch.float32"):
            change(stored.float())


def test_it_is_saved_with_a_model():
    for vocabulary in (DNA, SHORT):
        assert from_json(Vocabulary, to_json(vocabulary), "vocabulary.json") == vocabulary
    plain = {"tokens": ["A", "B"], "padding": "C"}
    with pytest.raises(CheckpointError, match=r"padding must be one of the tokens, got 'C'\."):
        from_json(Vocabulary, plain, "vocabulary.json")


@pytest.mark.parametrize(
    ("vocabulary", "text", "length", "message"),
    [
        (DNA, "ACXT", None, r"unknown letter 'X' in place 3 of 'ACXT'. Known: A C G T\."),
        (SHORT, "ClBr", None, r"unknown letter 'B' in place 3 of 'ClBr'. Known: C Cl \[nH\] n\."),
        (DNA, "ACG", 4, r"has 3 tokens, where there must be exactly 4: 'ACG'\."),
        (SHORT, "CClC", 2, r"has 3 tokens, where there must be at most 2: 'CClC'\."),
        (DNA, "A" * 70 + "U", None, r"'U' in place 71 of 'A{60}\.\.\.'\. Known"),
    ],
)
def test_texts_that_cannot_be_read(vocabulary, text, length, message):
    with pytest.raises(ClarionError, match=message):
        vocabulary.numbers(text, length)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (torch.tensor([[0, 4]]), r"must lie in 0\.\.3, got 4, the mask: these are not all drawn"),
        (torch.tensor([[0, 5]]), r"must lie in 0\.\.3, got 5\."),
        (torch.tensor([[-1, 9]]), r"got -1\."),
        (torch.tensor([0, 1]), r"\(n, length\), got torch.int64 of shape \(2,\)"),
        (torch.zeros(1, 2), r"got torch.float32 of shape"),
    ],
)
def test_tokens_that_stand_for_nothing(tokens, message):
    with pytest.raises(ClarionError, match=message):
        DNA.texts(tokens)


@pytest.mark.parametrize(
    ("tokens", "padding", "message"),
    [
        (("A",), None, r"at least 2, none of them empty, got A\."),
        (("A", ""), None, "none of them empty"),
        (("A", "B", "A"), None, "got 'A' twice"),
        (("A", "B"), "-", "padding must be one of the tokens, got '-'. Known: A B"),
        ("AB", None, "must be a tuple of texts, got 'AB'"),
    ],
)
def test_vocabularies_that_cannot_be(tokens, padding, message):
    with pytest.raises(ClarionError, match=message):
        Vocabulary(tokens, padding)
