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


def hold_out(n: int, count: int, seed: int, groups: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Split range(n) at random into a part to train on and at most `count` to validate on.

    Never more than a tenth is held out, and of a group all or none; what is not needed of it is in
    neither part. Where all of three groups or more are larger than that, the smallest is held out.

    Args:
        n: how many there are.
        count: to validate on.
        seed: of the split.
        groups: (n,) int64, the group of each; None if each is one by itself.
    """
    each = torch.arange(n)
    _, group, sizes = (each if groups is None else groups).unique(
        return_inverse=True, return_counts=True
    )
    is_held, held = torch.zeros(len(sizes), dtype=torch.bool), 0
    of_size = sizes.tolist()
    for number in _shuffled(len(sizes), seed).tolist():
        if held >= min(count, n // 10):
            break
        if held + of_size[number] <= n // 10:
            is_held[number] = True
            held += of_size[number]
    if not held and min(count, n // 10) and len(sizes) > 2:
        is_held[sizes.argmin()] = True
        held = int(sizes.min())
    kept_back = each[is_held[group]]
    return each[~is_held[group]], kept_back[pick_some(held, count, seed)]


def pick_some(n: int, count: int, seed: int) -> Tensor:
    """At most `count` of range(n), at random: the first ones may all be of one kind."""
    return _shuffled(n, seed)[:count].sort().values


def _shuffled(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(mix_seed(seed, "hold out"))
    return torch.randperm(n, generator=generator)
