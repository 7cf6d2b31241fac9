"""Sequences by number, kept as small whole numbers in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.vocabulary import Vocabulary
from clarion.run.columns import Column, batch_of


@dataclass(frozen=True, eq=False)
class SequenceSet:
    """Sequences of one length, and what is known of them.

    Example i are the tokens `starts[i]`, ..., `starts[i] + length - 1`: rows of a table stand one
    after the other, windows of a text may overlap.

    Args:
        vocabulary: what the tokens stand for.
        length: of a sequence, in tokens, padding counted.
        tokens: (number of tokens,) of all sequences, in the smallest type that holds them.
        starts: (n,) int64.
        conditions: name -> values for all sequences.
        place: says where an example comes from, by its number.
        known: of each example, what stands in the columns that are read; None if nothing does.
        unused: columns from which nothing is read.
    """

    vocabulary: Vocabulary
    length: int
    tokens: Tensor
    starts: Tensor
    conditions: Mapping[str, Column]
    place: Callable[[int], str]
    known: tuple[tuple, ...] | None = None
    unused: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.starts)

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.length,)

    @property
    def condition_spec(self) -> ConditionSpec:
        """What is known of the sequences."""
        return {name: column.entry for name, column in self.conditions.items()}

    def name(self, index: int) -> str:
        """Where sequence `index` came from: a file and a line."""
        return self.place(index)

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """Sequences by number.

        Args:
            indices: (n,) int64, each in 0..len - 1, in any order, on any device.

        Returns:
            Tokens (n, length) int64, and what is known of each.
        """
        starts = self.starts.index_select(0, indices.to(self.starts.device))
        places = starts[:, None] + torch.arange(self.length, device=starts.device)
        return self.tokens[places].to(torch.int64), batch_of(self.conditions, indices)

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        return self.batch(indices)

    def to(self, device: torch.device | str) -> SequenceSet:
        """The same set on another device."""
        return replace(
            self,
            tokens=self.tokens.to(device),
            starts=self.starts.to(device),
            conditions={name: column.to(device) for name, column in self.conditions.items()},
        )


def smallest_type(size: int) -> torch.dtype:
    """The smallest type that holds the tokens of a vocabulary."""
    return torch.uint8 if size <= 2**8 else torch.int16 if size <= 2**15 else torch.int32
