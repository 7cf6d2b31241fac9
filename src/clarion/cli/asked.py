"""What is asked for, as it is typed: repeated options, conditions and mixtures of them."""

from __future__ import annotations

import math
import re
from types import MappingProxyType
from typing import Annotated, TypeAlias

import tyro

from clarion.base.condition import ConditionSpec, TextEntry
from clarion.base.errors import ClarionError

Words: TypeAlias = Annotated[tuple[tuple[str, ...], ...], tyro.conf.UseAppendAction]
"""The words behind each occurrence of an option: `--x a b --x c` gives (("a", "b"), ("c",))."""

EXAMPLES = {
    "condition": "--condition label=3",
    "negative": "--negative label=5",
    "guidance": "--guidance cfg:3",
    "measure": "--measure downsample:4 coarse.png",
}


def flat(name: str, given: Words) -> tuple[str, ...]:
    """All words of an option that may be repeated, in their order.

    Raises:
        ClarionError: if it was given without any.
    """
    if () in given:
        raise ClarionError(f"--{name} needs a value, such as {EXAMPLES[name]}.")
    return tuple(word for words in given for word in words)


def once(name: str, given: Words) -> tuple[str, ...]:
    """The words of an option that may be given once.

    Raises:
        ClarionError: if it is given more often.
    """
    words, *others = given
    if others:
        raise ClarionError(f"--{name} may be given once, got {len(given)} of them.")
    return words


def pair(name: str, given: Words, what: str) -> tuple[str, str]:
    """The two words of an option that is given once.

    Raises:
        ClarionError: if there are more or fewer.
    """
    words = once(name, given)
    if len(words) != 2:
        raise ClarionError(
            f"--{name} takes {what}, such as {EXAMPLES[name]}; got {' '.join(words) or 'none'}."
        )
    return words


MIXTURE = "'label=3*0.7 label=5*0.3'"

Values = dict[str, str | list[str]]
"""Name -> one value, or one for each sample, as typed."""


def parse_request(
    texts: tuple[str, ...], spec: ConditionSpec = MappingProxyType({})
) -> Values | list[tuple[Values, float]]:
    """Read what is asked for into what `Model.sample` takes; see `Options.condition`.

    What is given without a weight belongs to each of the terms that have one.

    Raises:
        ClarionError: if a text has another form, or a name comes twice.

    Example:
        >>> parse_request(("label=3*0.7 label=5*0.3",))
        [({'label': '3'}, 0.7), ({'label': '5'}, 0.3)]
    """
    mixtures = [terms for text in texts if (terms := _terms(text))]
    plain = parse_conditions(tuple(text for text in texts if not _terms(text)), spec)
    if not mixtures:
        return plain
    if len(mixtures) > 1:
        raise ClarionError(
            f"Weighted conditions are written in one text, such as {MIXTURE}, got {len(mixtures)}."
        )
    return [(plain | parse_conditions((term,), spec), weight) for term, weight in mixtures[0]]


def _terms(text: str) -> list[tuple[str, float]]:
    """The conditions of a mixture, each with its weight; none of a text that has no weights."""
    parts = re.split(r"\s+(?=\w+=)", text.strip())
    weights = [_weight(part) for part in parts]
    if weights.count(None) == len(parts):
        return []
    terms: list[tuple[str, float]] = []
    for part, weight in zip(parts, weights, strict=True):
        if weight is None or not math.isfinite(weight):
            raise ClarionError(
                f"Each condition of a mixture needs a finite weight, as in {MIXTURE}; "
                f"got {part!r} in {text!r}."
            )
        terms.append((part.rpartition("*")[0], weight))
    return terms


def _weight(part: str) -> float | None:
    """The number behind the last star; None if there is none."""
    _, star, weight = part.rpartition("*")
    try:
        return float(weight) if star else None
    except ValueError:
        return None


def parse_conditions(texts: tuple[str, ...], spec: ConditionSpec = MappingProxyType({})) -> Values:
    """Read "name=value" and "name=value,value" into name -> value or values.

    What `spec` holds to be a text is left whole; several of them are given one by one.

    Raises:
        ClarionError: if a text has another form, or the name of anything but a text comes twice.

    Example:
        >>> parse_conditions(("label=3", "age=0.5,0.7"))
        {'label': '3', 'age': ['0.5', '0.7']}
    """
    given: dict[str, list[str]] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise ClarionError(f"condition is written NAME=VALUE or NAME=A,B,..., got {text!r}.")
        is_text = isinstance(spec.get(name), TextEntry)
        if name in given and not is_text:
            raise ClarionError(f"condition {name!r} is given twice.")
        values = [value.strip()] if is_text else [part.strip() for part in value.split(",")]
        if "" in values:
            raise ClarionError(
                f"condition {text!r} has an empty value; values are parted by commas."
            )
        given.setdefault(name, []).extend(values)
    return {name: values if len(values) > 1 else values[0] for name, values in given.items()}
