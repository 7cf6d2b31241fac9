"""A sequence: tokens out of a vocabulary, or vectors, one after the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition.entry import (
    ConditionEntry,
    check_count,
    check_sizes,
    to_floats,
    to_python,
)
from clarion.base.errors import ClarionError

PADDING = -1
"""Stands for "no token" behind the end of a sequence; for vectors a row of zeros does."""


@dataclass(frozen=True)
class SequenceEntry(ConditionEntry):
    """Up to `max_length` tokens 0..num_tokens - 1, or vectors of `size` numbers: one of the two.

    Args:
        max_length: longest sequence; shorter ones are padded.
        num_tokens: size of the vocabulary; 0 for vectors.
        size: of each vector; 0 for tokens.
    """

    max_length: int
    num_tokens: int = 0
    size: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_sizes(self, "max_length")
        if min(self.num_tokens, self.size) != 0 or max(self.num_tokens, self.size) < 1:
            raise ClarionError(
                f"Give num_tokens for a sequence of tokens or size for one of vectors, "
                f"got {self.num_tokens} and {self.size}."
            )

    def encode(self, name: str, values: Any, n: int) -> Tensor:
        """One sequence for all samples, or a list of n, padded to `max_length`.

        Returns:
            (n, max_length) int64 of tokens, or (n, max_length, size) float32.
        """
        depth = _depth(values)
        if depth == 0:
            raise ClarionError(f"Condition {name!r} must be a sequence, got {values!r}.")
        inner = 1 if self.num_tokens else 2  # dimensions of one sequence
        is_one = depth == inner or (depth == 1 and not len(values))
        rows = [values] if is_one else list(values)
        check_count(name, n if is_one else len(rows), n)
        out = self.absent(len(rows))
        for row, value in zip(out, rows, strict=True):
            given = self._tokens(name, value) if self.num_tokens else self._vectors(name, value)
            if len(given) > self.max_length:
                raise ClarionError(
                    f"Condition {name!r} may be {self.max_length} long, got {len(given)}."
                )
            row[: len(given)] = given
        return out.expand(n, *out.shape[1:]).contiguous() if is_one else out

    def absent(self, n: int) -> Tensor:
        if self.num_tokens:
            return torch.full((n, self.max_length), PADDING)
        return torch.zeros(n, self.max_length, self.size)

    def _tokens(self, name: str, value: Any) -> Tensor:
        value = to_python(value)
        tokens = [to_python(v) for v in value] if isinstance(value, list | tuple | range) else value
        if not isinstance(tokens, list) or not all(type(v) is int for v in tokens):
            raise ClarionError(f"Condition {name!r} must be whole numbers, got {value!r}.")
        if not all(0 <= v < self.num_tokens for v in tokens):
            raise ClarionError(
                f"Condition {name!r} must be tokens in 0..{self.num_tokens - 1}, got {value!r}."
            )
        return torch.tensor(tokens, dtype=torch.int64)

    def _vectors(self, name: str, value: Any) -> Tensor:
        given = to_floats(name, value)
        if not given.numel() and given.ndim < 2:
            given = given.reshape(0, self.size)
        if given.ndim != 2 or given.shape[1] != self.size:
            raise ClarionError(
                f"Condition {name!r} must have shape (length, {self.size}), "
                f"got {tuple(given.shape)}."
            )
        return given


def _depth(values: Any) -> int:
    """How deep lists and arrays are nested, along the first item of each."""
    if hasattr(values, "ndim"):
        return values.ndim
    if not isinstance(values, list | tuple | range):
        return 0
    return 1 + max((_depth(v) for v in values), default=0)
