"""Texts: batch by batch the same as all at once, and small until then."""

import pytest
import torch

from clarion.base.condition import TextEntry
from clarion.base.errors import DataError

TEXTS = ["a red apple", None, "", "a dog, asleep", "a red apple"]


def test_batches_are_what_the_entry_gives(read):
    column = read("it=text:max_tokens=6", it=TEXTS)
    assert column.entry == TextEntry(max_tokens=6)
    assert column.present.tolist() == [True, False, True, True, True]
    order = torch.tensor([3, 0, 0, 1, 4, 2])
    expected = column.entry.encode("it", [TEXTS[i] or "" for i in order], len(order))
    assert torch.equal(column.batch(order), expected)
    assert torch.equal(column.to("cpu").batch(order), expected)
    summary = column.summary
    assert (summary["present"], summary["distinct"], summary["longest"]) == (4, 3, 5)
    assert summary["examples"] == ["a red apple", "", "a dog, asleep"]


def test_thousands_of_texts_take_some_bytes_each(read):
    """As vectors these would take 4 bytes x 32 x 256 each, 164 MB in all."""
    column = read("it=text", it=[f"number {i}" for i in range(5000)])
    held = sum(t.untyped_storage().nbytes() for t in (column.tokens, column.starts, column.present))
    assert held < 5000 * 50


def test_long_texts_are_never_cut_off(read):
    with pytest.raises(DataError) as caught:
        read("it=text:words,max_tokens=3", words=["a", None, "a b c d", "a b c d e f"])
    message = str(caught.value)
    assert message.startswith("table, row 2, column 'words': the text has 4 tokens of wordllama")
    assert "where 3 are allowed: 'a b c d'. The longest has 6" in message
    assert message.endswith("it=text:max_tokens=6.")


def test_the_texts_of_other_data_follow_the_entry(read):
    column = read("it=text", entry=TextEntry(max_tokens=4, dropout=0.5), it=["a", None])
    assert column.batch(torch.arange(2)).shape == (2, 4, 256)
    with pytest.raises(DataError, match="row 0, column 'it': the text has 5 tokens"):
        read("it=text", entry=TextEntry(max_tokens=4), it=["a b c d e"])
    with pytest.raises(DataError, match="row 1, column 'it': it must be a text, got 3"):
        read("it=text", it=["a", 3])
    with pytest.raises(DataError, match=r"it must be a text, got b'0{58}\.\.\."):
        read("it=text", it=[b"0" * 10**6])
    assert read("it=text", it=["a", float("nan")]).present.tolist() == [True, False]
