"""The values given for one batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Condition:
    """One batch of condition values.

    A network sees `values` and `present` alone. The other two are what guidance makes of several
    conditions: the rules in `guide/` read them.

    Args:
        values: name -> (batch, ...) tensor; rows that are absent hold zeros.
        present: name -> (batch,) bool tensor, with the same names.
        negative: what is steered away from; None stands for everything absent.
        terms: (weight, condition) pairs whose estimates are added up; the rest of the weight,
            1 - sum, falls to this condition's own values.
    """

    values: Mapping[str, Tensor]
    present: Mapping[str, Tensor]
    negative: Condition | None = None
    terms: tuple[tuple[float, Condition], ...] = ()

    def drop(self) -> Condition:
        """The same batch with everything absent: the condition of the unconditional model."""
        return Condition(
            self.values, {name: torch.zeros_like(mask) for name, mask in self.present.items()}
        )

    def opposite(self) -> Condition:
        """What guidance steers away from: the negative condition, or everything absent."""
        return self.drop() if self.negative is None else self.negative

    def parts(self) -> list[tuple[float, Condition]]:
        """(weight, plain condition) pairs, at least one, whose weights add up to 1."""
        rest = 1 - sum(weight for weight, _ in self.terms)
        own = [] if self.terms and abs(rest) < 1e-9 else [(rest, self)]
        return [(weight, Condition(c.values, c.present)) for weight, c in [*own, *self.terms]]

    def keep_where(self, keep: Mapping[str, Tensor]) -> Condition:
        """Make value `name` absent in the rows where `keep[name]` (batch,) is false."""
        return Condition(
            self.values,
            {name: m & keep[name] if name in keep else m for name, m in self.present.items()},
        )

    def rows(self, index: slice | Tensor) -> Condition:
        """The condition of some of the samples."""
        return self._map(lambda tensor: tensor[index])

    def repeat(self, count: int) -> Condition:
        """Each sample `count` times, one copy after the other."""
        return self._map(lambda tensor: tensor.repeat_interleave(count, dim=0))

    def to(self, device: torch.device | str) -> Condition:
        """The same condition on another device."""
        return self._map(lambda tensor: tensor.to(device))

    @staticmethod
    def concatenate(conditions: Sequence[Condition]) -> Condition:
        """Stack batches of plain conditions that have the same names into one."""
        assert not any(c.terms or c.negative for c in conditions), "a network sees plain conditions"
        first = conditions[0]
        return Condition(
            {name: torch.cat([c.values[name] for c in conditions]) for name in first.values},
            {name: torch.cat([c.present[name] for c in conditions]) for name in first.present},
        )

    def _map(self, change: Callable[[Tensor], Tensor]) -> Condition:
        return Condition(
            {name: change(value) for name, value in self.values.items()},
            {name: change(mask) for name, mask in self.present.items()},
            None if self.negative is None else self.negative._map(change),
            tuple((weight, c._map(change)) for weight, c in self.terms),
        )
