"""In which order examples are read: a function of the seed and the position alone."""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.base.streams import mix_seed


class DataOrder:
    """Endless passes over a set of examples, each in a random order of its own.

    Nothing needs to be remembered to go on from any position: position p stands in pass p // n, and
    the order of a pass follows from the seed and its number.

    Args:
        indices: the examples, (n,) int64.
        seed: of the orders.
    """

    def __init__(self, indices: Tensor, seed: int) -> None:
        if len(indices) == 0:
            raise DataError("There are no examples to train on.")
        self._indices, self._seed = indices, seed
        self._pass_number, self._pass = -1, indices

    def __len__(self) -> int:
        return len(self._indices)

    def take(self, position: int, count: int) -> Tensor:
        """The `count` examples from `position` on, (count,) int64."""
        parts, n = [], len(self._indices)
        while count > 0:
            start = position % n
            part = self._order_of(position // n)[start : start + count]
            parts.append(part)
            position, count = position + len(part), count - len(part)
        return torch.cat(parts)

    def _order_of(self, number: int) -> Tensor:
        if number != self._pass_number:
            generator = torch.Generator().manual_seed(mix_seed(self._seed, "pass", number))
            order = torch.randperm(len(self._indices), generator=generator)
            self._pass_number, self._pass = number, self._indices[order]
        return self._pass


def hold_out(n: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Split range(n) at random into a part to train on and at most `count` to validate on.

    Never more than a tenth is held out.
    """
    held = min(count, n // 10)
    order = _shuffled(n, seed)
    return order[held:].sort().values, order[:held].sort().values


def pick_some(n: int, count: int, seed: int) -> Tensor:
    """At most `count` of range(n), at random: the first ones may all be of one kind."""
    return _shuffled(n, seed)[:count].sort().values


def _shuffled(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(mix_seed(seed, "hold out"))
    return torch.randperm(n, generator=generator)
