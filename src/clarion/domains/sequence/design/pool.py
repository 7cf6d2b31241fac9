"""New sequences that were drawn, and which of them to keep."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.domains.sequence.design.judge import Judge
from clarion.domains.sequence.design.selection import best_apart


@dataclass(frozen=True, eq=False)
class Kept:
    """Designs, best first.

    Args:
        tokens: (n, length) int64.
        texts: the sequences.
        sure: the value that each most likely exceeds (falls below), (n,).
    """

    tokens: Tensor
    texts: tuple[str, ...]
    sure: Tensor

    @property
    def merit(self) -> float:
        """Median of those values."""
        return float(self.sure.median())


class Pool:
    """Sequences that are not known, all different, in the order in which they were drawn.

    Args:
        judge: of what they promise; it knows what is known.
    """

    def __init__(self, judge: Judge) -> None:
        self.judge = judge
        self.texts: list[str] = []
        self._seen = set(judge.known.texts)
        self._tokens = judge.known.tokens[:0]
        self._sure = torch.empty(0, dtype=torch.float64)

    def __len__(self) -> int:
        return len(self.texts)

    def add(self, tokens: Tensor) -> None:
        """Take in those (n, length) that are neither known nor here."""
        rows = []
        for row, text in enumerate(self.judge.known.texts_of(tokens)):
            if text and text not in self._seen:
                self._seen.add(text)
                self.texts.append(text)
                rows.append(row)
        if rows:
            self._tokens = torch.cat([self._tokens, tokens[rows]])
            self._sure = torch.cat([self._sure, self.judge.surely(tokens[rows]).double()])

    def best(self, count: int, diversity: float) -> Kept:
        """The best of them that keep a mean distance; see `best_apart`."""
        rows = best_apart(self.texts, self.judge.sign * self._sure, count, diversity)
        return Kept(self._tokens[rows], tuple(self.texts[row] for row in rows), self._sure[rows])
