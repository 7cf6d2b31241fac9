"""Distances between features, a block of rows at a time, and the nearest of many."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK = 1024
"""Rows of a block: with 10,000 columns of float32 it takes 40 MB."""


def squared_distances(a: Tensor, b: Tensor) -> Tensor:
    """|x - y|² for each row x of `a` (n, dim) and y of `b` (m, dim): (n, m), never below 0.

    By |x|² - 2 x.y + |y|², so the rounding error is some eps (|x|² + |y|²): both are best given
    about a mean of 0.
    """
    products = a @ b.mT
    found = products.mul_(-2).add_(a.square().sum(1)[:, None]).add_(b.square().sum(1))
    return found.clamp_(min=0)


def blocks(n: int) -> Iterator[slice]:
    """The numbers 0..n - 1 in runs of at most `BLOCK`."""
    for start in range(0, n, BLOCK):
        yield slice(start, min(start + BLOCK, n))


class Nearest:
    """The k nearest of all points that were shown, for each of some queries; no point is kept.

    Args:
        queries: (n, dim).
        k: how many.
    """

    def __init__(self, queries: Tensor, k: int) -> None:
        self._queries, self._k, self._seen = queries, k, 0
        n = len(queries)
        self.squares = queries.new_full((n, k), torch.inf)
        """Squared distances (n, k), ascending; infinite where fewer points were shown."""
        self.numbers = torch.full((n, k), -1, dtype=torch.int64, device=queries.device)
        """Which points these are, in the order in which they were shown, (n, k)."""

    def show(self, points: Tensor) -> None:
        """Look at more points, (m, dim)."""
        numbers = torch.arange(self._seen, self._seen + len(points), device=points.device)
        for rows in blocks(len(self._queries)):
            squares = squared_distances(self._queries[rows], points)
            found = torch.cat([self.squares[rows], squares], 1)
            which = torch.cat([self.numbers[rows], numbers.expand(len(squares), -1)], 1)
            nearest = found.topk(self._k, largest=False)
            self.squares[rows] = nearest.values
            self.numbers[rows] = which.gather(1, nearest.indices)
        self._seen += len(points)
