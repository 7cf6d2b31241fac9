"""Examples that occur more than once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

NAMED = 5  # duplicates that are named; the rest are counted


@dataclass(frozen=True)
class DuplicateReport:
    """Examples that are the same as an earlier one.

    Args:
        num_surplus: how many repeat an earlier one.
        num_groups: how many different ones occur more than once.
        num_conflicts: how many repeat an earlier one of which something else is known.
        pairs: the first few, as (earlier example, its repetition).
    """

    num_surplus: int
    num_groups: int
    num_conflicts: int
    pairs: tuple[tuple[str, str], ...]

    @staticmethod
    def find(
        keys: Sequence[Hashable], name: Callable[[int], str], known: Sequence[Any] | None = None
    ) -> DuplicateReport:
        """Compare all examples.

        Args:
            keys: equal for examples that are the same.
            name: that of an example, by its number.
            known: what is known of each; None if nothing is.
        """
        first: dict[Hashable, int] = {}
        pairs = [
            (earlier, index)
            for index, key in enumerate(keys)
            if (earlier := first.setdefault(key, index)) != index
        ]
        return DuplicateReport(
            num_surplus=len(pairs),
            num_groups=len({earlier for earlier, _ in pairs}),
            num_conflicts=0 if known is None else sum(known[a] != known[b] for a, b in pairs),
            pairs=tuple((name(a), name(b)) for a, b in pairs[:NAMED]),
        )

    def in_words(self, noun: str, difference: str) -> str:
        """What was found, in a line for all and one for each pair that is named.

        Args:
            noun: what an example is.
            difference: how those differ of which something else is known: "under another label".
        """
        if not self.num_surplus:
            return "none"
        head = f"{self.num_surplus:,} repeat an earlier {noun} ({self.num_groups:,} groups)"
        if self.num_conflicts:
            head += f", {self.num_conflicts:,} of them {difference}"
        return listed(head, [f"{one} = {two}" for one, two in self.pairs], self.num_surplus)


def listed(head: str, named: Sequence[str], total: int) -> str:
    """A line, and below it those that are named, and how many more there are."""
    more = [f"and {total - len(named):,} more"] if total > len(named) else []
    return "\n".join([head, *(f"  {line}" for line in [*named, *more])])
