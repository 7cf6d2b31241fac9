"""Windows of a long text: each is a piece of it, and together they are all of it."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import DataError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.data import TEXT_LENGTH, SequenceData
from clarion.domains.sequence.reading import window_starts
from clarion.run.examples import Fitted

TEXT = "It was the best of times,\nit was the worst of times.\n"


@pytest.mark.parametrize("count", range(1, 24))
@pytest.mark.parametrize("length", range(1, 9))
def test_every_token_is_in_a_window(count, length):
    if count < length:
        return
    for stride in range(1, length + 1):
        starts = window_starts(count, length, stride).tolist()
        assert {start + i for start in starts for i in range(length)} == set(range(count))
        assert starts == sorted(set(starts))
        assert starts[-1] == count - length
        assert all(start % stride == 0 for start in starts[:-1])


@pytest.mark.parametrize("stride", [None, 1, 3, 7])
def test_windows_are_pieces_of_the_text(tmp_path, stride):
    (tmp_path / "book.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    config = SequenceData(str(tmp_path / "book.txt"), length=7, stride=stride)
    examples = config.open()
    assert examples.shape == (7,)
    assert examples.vocabulary == Vocabulary(tuple(sorted(set(TEXT))))
    starts = window_starts(len(TEXT), 7, stride or 7).tolist()
    order = torch.randperm(len(examples), generator=torch.Generator().manual_seed(0))
    tokens, condition = examples.batch(order)
    assert examples.vocabulary.texts(tokens) == [TEXT[starts[i] :][:7] for i in order.tolist()]
    assert not condition.values
    assert examples.name(1) == f"{tmp_path / 'book.txt'}, from token {(stride or 7) + 1}"


def test_by_default_they_have_256_tokens_side_by_side(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT * 20)
    examples = SequenceData(str(tmp_path / "book.txt")).open()
    assert examples.shape == (TEXT_LENGTH,) == (256,)
    assert examples.starts.tolist() == [0, 256, 512, 768, len(TEXT) * 20 - 256]


def test_another_text_is_read_as_the_first(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT)
    (tmp_path / "other.txt").write_text("it was\nof times")
    (tmp_path / "odd.txt").write_text("it was\nof Paris, x")
    first = SequenceData(str(tmp_path / "book.txt"), length=7).open()
    fitted = Fitted({}, first.shape, first.vocabulary)
    other = SequenceData(str(tmp_path / "other.txt")).open(fitted=fitted)
    assert other.vocabulary == first.vocabulary
    pieces = other.vocabulary.texts(other.batch(torch.arange(len(other)))[0])
    assert pieces == ["it was\n", "of time", "f times"]
    with pytest.raises(
        DataError, match=r"odd.txt, line 2: unknown letter 'P' in place 4 of 'of Pa"
    ):
        SequenceData(str(tmp_path / "odd.txt")).open(fitted=fitted)


def test_texts_that_are_too_short(tmp_path):
    (tmp_path / "book.txt").write_text(TEXT)
    with pytest.raises(DataError, match=r"has 53 tokens, too few for a window of 256: .*--length"):
        SequenceData(str(tmp_path / "book.txt")).open()
    (tmp_path / "book.txt").write_text("")
    with pytest.raises(DataError, match="has 0 tokens"):
        SequenceData(str(tmp_path / "book.txt")).open()


def test_scripts_of_many_letters(tmp_path):
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 700)))
    (tmp_path / "book.txt").write_text(text, encoding="utf-8")
    examples = SequenceData(str(tmp_path / "book.txt"), length=100).open()
    assert examples.tokens.dtype == torch.int16
    pieces = examples.vocabulary.texts(examples.batch(torch.arange(7))[0])
    assert "".join(pieces) == text
