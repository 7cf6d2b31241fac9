"""What is asked for, as it is typed."""

import pytest

from clarion.base.errors import DataError
from clarion.run.columns import parse_requests
from clarion.run.columns.classes import ClassColumn, TagsColumn
from clarion.run.columns.numbers import VectorColumn
from clarion.run.columns.texts import TextColumn


def test_the_name_is_the_column_unless_one_is_named():
    assert parse_requests(
        ["caption=text", "kind=class:species", "words=tags:Key words (all)", "size=vector:w+h"]
    ) == {
        "caption": TextColumn(),
        "kind": ClassColumn(("species",)),
        "words": TagsColumn(("Key words (all)",)),
        "size": VectorColumn(("w", "h")),
    }


def test_settings_follow_the_column():
    assert parse_requests(
        ["a=text:b,max_tokens=48", "c=vector:units=m/s", "d=text:max_tokens=7"]
    ) == {
        "a": TextColumn(("b",), max_tokens=48),
        "c": VectorColumn(units=("m/s",)),
        "d": TextColumn(max_tokens=7),
    }
    text = "a=text:encoder=transformers:google-t5/t5-small,max_tokens=9"
    expected = TextColumn(encoder="transformers:google-t5/t5-small", max_tokens=9)
    assert parse_requests([text])["a"] == expected


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ("a=text", r"must be a tuple of texts, such as \('a=text',\)"),
        (["caption"], "written NAME=KIND or NAME=KIND:COLUMN, such as .*, got 'caption'"),
        (["a caption=text"], "written NAME=KIND"),
        (["=text"], "written NAME=KIND"),
        (["a="], "written NAME=KIND"),
        (["a=text", "a=tags"], "name 'a' twice"),
        (["a=txt"], "'a=txt': Unknown kind of condition 'txt'. Did you mean 'text'"),
        (["a=text:max_token=3"], "Did you mean 'max_tokens'"),
        (["a=text:max_tokens=x"], "max_tokens must be int, got 'x'"),
        (["a=text:max_tokens=0"], "max_tokens must be at least 1, got 0"),
        (["a=text:encoder=wordlama"], "Did you mean 'wordllama'"),
        (["a=vector:w,h"], r"plus signs stand between several columns, w\+h"),
        (["a=class:w+h"], r"A class is read from one column, got \('w', 'h'\)"),
    ],
)
def test_other_texts_are_refused(texts, message):
    with pytest.raises(DataError, match=message) as caught:
        parse_requests(texts)
    assert "\n" not in str(caught.value)
