"""Conditions and mixtures as they are typed."""

from __future__ import annotations

import pytest

from clarion.base.condition import ClassEntry, TextEntry
from clarion.base.errors import ClarionError
from clarion.cli.asked import parse_conditions, parse_request


def test_conditions_are_words_or_lists_of_them() -> None:
    assert parse_conditions(("a=1", "b=ankle boot", "c=0.5, x,2")) == {
        "a": "1",
        "b": "ankle boot",
        "c": ["0.5", "x", "2"],
    }
    with pytest.raises(ClarionError, match="NAME=VALUE"):
        parse_conditions(("=3",))


def test_texts_may_hold_commas_and_are_given_one_by_one() -> None:
    spec = {"caption": TextEntry(), "label": ClassEntry(3)}
    one = ("caption=a dog, asleep = at rest", "label=1,2")
    assert parse_conditions(one, spec) == {
        "caption": "a dog, asleep = at rest",
        "label": ["1", "2"],
    }
    two = ("caption=a dog, asleep", "caption=a cat")
    assert parse_conditions(two, spec) == {"caption": ["a dog, asleep", "a cat"]}
    mixed = ("caption=a dog, asleep*0.7 caption=a cat*0.3", "label=1")
    assert parse_request(mixed, spec) == [
        ({"caption": "a dog, asleep", "label": "1"}, 0.7),
        ({"caption": "a cat", "label": "1"}, 0.3),
    ]
    with pytest.raises(ClarionError, match="'label' is given twice"):
        parse_conditions(("label=1", "label=2"), spec)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (("label=ankle boot",), {"label": "ankle boot"}),
        (("label=3*0.7 label=5*.3",), [({"label": "3"}, 0.7), ({"label": "5"}, 0.3)]),
        (("label=ankle boot*-1",), [({"label": "ankle boot"}, -1.0)]),
        (
            ("age=4", "label=3*1 label=5*1"),
            [({"age": "4", "label": "3"}, 1.0), ({"age": "4", "label": "5"}, 1.0)],
        ),
        (("label=bag*1e-1  label=2*3*1.5 ",), [({"label": "bag"}, 0.1), ({"label": "2*3"}, 1.5)]),
        (("text=2*3 tiles",), {"text": "2*3 tiles"}),
        (("text=a * b = c",), {"text": "a * b = c"}),
    ],
)
def test_requests_as_they_are_typed(texts: tuple[str, ...], expected: object) -> None:
    assert parse_request(texts) == expected


def test_weights_in_two_texts_are_refused() -> None:
    with pytest.raises(ClarionError, match="are written in one text"):
        parse_request(("label=3*0.7", "label=5*0.3"))


@pytest.mark.parametrize(
    ("text", "culprit"),
    [
        ("label=sneaker*0.6 label=bag", "got 'label=bag' in 'label=sneaker"),
        ("label=sneaker label=bag*0.4", "got 'label=sneaker' in"),
        ("label=sneaker*0.6 label=ankle boot*x", "got 'label=ankle boot*x' in"),
        ("label=sneaker*nan label=bag*0.4", "got 'label=sneaker*nan' in"),
        ("label=sneaker*inf", "got 'label=sneaker*inf' in"),
        ("label=sneaker*0.6, label=bag*0.4", "got 'label=sneaker*0.6,' in"),
    ],
)
def test_a_weight_that_is_missing_or_no_number_is_named(text: str, culprit: str) -> None:
    with pytest.raises(ClarionError, match="needs a finite weight, as in 'label=3") as info:
        parse_request((text,))
    assert culprit in str(info.value)


@pytest.mark.parametrize("text", ["label=shirt,", "label=,shirt", "age=1,,2", "caption= "])
def test_an_empty_value_is_named(text: str) -> None:
    with pytest.raises(ClarionError, match=f"condition '{text}' has an empty value"):
        parse_request((text,), {"caption": TextEntry()})
