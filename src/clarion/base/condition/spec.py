"""A model's condition spec, and a user's values checked against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import torch
from torch import Tensor

from clarion.base.condition.batch import Condition
from clarion.base.condition.entry import ConditionEntry, check_count
from clarion.base.condition.field import FieldEntry
from clarion.base.condition.label import ClassEntry
from clarion.base.condition.sequence import SequenceEntry
from clarion.base.condition.tags import TagsEntry
from clarion.base.condition.text import TextEntry
from clarion.base.condition.vector import VectorEntry
from clarion.base.errors import ClarionError
from clarion.base.names import NameTable, describe_unknown

CONDITION_ENTRIES: NameTable[type[ConditionEntry]] = NameTable(
    "condition type",
    {
        "class": ClassEntry,
        "field": FieldEntry,
        "sequence": SequenceEntry,
        "tags": TagsEntry,
        "text": TextEntry,
        "vector": VectorEntry,
    },
)

ConditionSpec: TypeAlias = Mapping[str, ConditionEntry]
"""Name -> entry: all that a model can be conditioned on."""


Given: TypeAlias = Mapping[str, Any]
"""Name -> what a user gives: one value for all samples, or one for each."""

Weighted: TypeAlias = Sequence[tuple[Given, float]]
"""Several conditions, each with its weight: [({"label": 3}, 0.7), ({"label": 5}, 0.3)]."""


def encode_condition(
    spec: ConditionSpec, given: Given | Weighted, n: int, negative: Given | None = None
) -> Condition:
    """Check a user's values against a model's spec and build the condition of `n` samples.

    What is not given is absent; in a list of values, one for each sample, so is None.

    Args:
        spec: what the model can be conditioned on.
        given: the values; or several sets of them, each with a weight, whose estimates shall be
            added up (the weight that is left falls to "all absent").
        n: number of samples.
        negative: the values to steer away from; None for "all absent".

    Raises:
        ClarionError: for a name or a value that the model does not know.

    Example:
        >>> condition = encode_condition({"label": ClassEntry(10)}, {"label": 3}, n=2)
        >>> condition.values["label"].tolist(), condition.present["label"].tolist()
        ([3, 3], [True, True])
    """
    against = None if negative is None else _encode(spec, negative, n)
    if isinstance(given, Mapping):
        return replace(_encode(spec, given, n), negative=against)
    terms = []
    for term in _sequence(given):
        if not (isinstance(term, Sequence) and len(term) == 2 and _is_number(term[1])):
            raise ClarionError(f"A weighted condition is a pair (values, weight), got {term!r}.")
        terms.append((float(term[1]), _encode(spec, term[0], n)))
    return replace(_encode(spec, {}, n), negative=against, terms=tuple(terms))


def _encode(spec: ConditionSpec, given: Given, n: int) -> Condition:
    if not isinstance(given, Mapping):
        raise ClarionError(f"condition must be name -> value, such as a dict, got {given!r}.")
    for name in given:
        if name not in spec:
            raise ClarionError(describe_unknown("condition", name, list(spec)))
    values, present = {}, {}
    for name, entry in spec.items():
        values[name], present[name] = _rows(name, entry, given.get(name), n)
    return Condition(values, present)


def _rows(name: str, entry: ConditionEntry, value: Any, n: int) -> tuple[Tensor, Tensor]:
    """Values (n, ...) and presence (n,) of one condition."""
    if value is None:
        return entry.absent(n), torch.zeros(n, dtype=torch.bool)
    if not isinstance(value, list | tuple) or all(v is not None for v in value):
        return entry.encode(name, value, n), torch.ones(n, dtype=torch.bool)
    check_count(name, len(value), n)
    encoded = entry.absent(n)
    for i, v in enumerate(value):
        if v is not None:
            encoded[i : i + 1] = entry.encode(name, [v], 1).to(encoded.dtype)
    return encoded, torch.tensor([v is not None for v in value])


def _sequence(given: Any) -> Sequence[Any]:
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise ClarionError(
            f"condition must be name -> value, such as a dict, or a list of (values, weight) "
            f"pairs, got {given!r}."
        )
    return given


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
