"""In which order a listener meets trials and stimuli.

Over listeners everything comes equally often at each place and, for whole squares, equally often
behind everything else, so that tiredness and contrast do not favour a system.

Source: Williams 1949, doi 10.1071/CH9490149 (squares balanced for what comes before).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal, TypeAlias, TypeVar

from clarion.base.streams import mix_seed
from clarion.listen.study import TRAP, Study

T = TypeVar("T")

Kind: TypeAlias = Literal["practice", "test", "trap", "duplicate"]


@dataclass(frozen=True)
class Trial:
    """What a listener is asked at once.

    Args:
        kind: "test" is what counts.
        item: which clip.
        conditions: what is shown of it, in the order of the page.
    """

    kind: Kind
    item: str
    conditions: tuple[str, ...]


def williams_square(n: int) -> list[tuple[int, ...]]:
    """Rows of the numbers 0..n-1: each is once at each place of n consecutive rows.

    Each number follows each other one equally often: once in the n rows of an even n, twice in the
    2 n rows of an odd one (the second half are the rows backwards).

    Example:
        >>> williams_square(4)
        [(0, 3, 1, 2), (1, 0, 2, 3), (2, 1, 3, 0), (3, 2, 0, 1)]
    """
    first = [(i + 1) // 2 if i % 2 == 0 else n - (i + 1) // 2 for i in range(n)]
    rows = [tuple((place + row) % n for place in first) for row in range(n)]
    return rows if n % 2 == 0 else rows + [row[::-1] for row in rows]


def in_williams_order(things: Sequence[T], row: int) -> tuple[T, ...]:
    """The things in the order of a row of their square, which begins again behind its end."""
    rows = williams_square(len(things))
    return tuple(things[place] for place in rows[row % len(rows)])


def session(study: Study, items: Sequence[str], listener: int) -> tuple[Trial, ...]:
    """All trials of listener number 0, 1, ...; they follow from the study and its seed."""
    rng = Random(mix_seed(study.seed, "listener", listener))
    trials = _test_trials(study, items, listener)
    middle = len(trials) // 2
    # A repetition comes in the second half of what was asked in the first.
    repeated = rng.sample(trials[:middle], min(study.duplicates, middle))
    extras = [
        (rng.randint(middle + 1, len(trials)), _shuffled("duplicate", t, rng)) for t in repeated
    ]
    for number in range(study.traps):
        low, high = (len(trials) * (number + k) // study.traps for k in (0, 1))
        place = rng.randint(min(low + 1, high), high)
        extras.append((place, _trap(study, rng.choice(items), rng)))
    for place, trial in sorted(extras, key=lambda extra: extra[0], reverse=True):
        trials.insert(place, trial)
    practice = [
        _shuffled("practice", rng.choice(trials[:middle] or trials), rng)
        for _ in range(study.practice)
    ]
    return (*practice, *trials)


def _test_trials(study: Study, items: Sequence[str], listener: int) -> list[Trial]:
    named = Random(mix_seed(study.seed, "names"))
    items = named.sample(items, len(items))
    conditions = named.sample(study.conditions, len(study.conditions))
    if study.shown == "all":
        return [
            Trial("test", item, in_williams_order(conditions, listener + items.index(item)))
            for item in in_williams_order(items, listener)
        ]
    trials: list[Trial] = []
    for turn in range(len(conditions)):  # each item once a turn, each time in another condition
        order = list(in_williams_order(items, listener * len(conditions) + turn))
        if trials and trials[-1].item == order[0]:
            order.append(order.pop(0))
        for item in order:
            number = items.index(item)
            which = (turn + number + listener) % len(conditions)
            shown = (conditions[which],)
            if study.shown == "pair":
                shown = (study.baseline, conditions[which])
                if (number + which + listener) % 2:
                    shown = shown[::-1]
            trials.append(Trial("test", item, shown))
    return trials


def _shuffled(kind: Kind, trial: Trial, rng: Random) -> Trial:
    """The same, its stimuli in another order."""
    return Trial(kind, trial.item, tuple(rng.sample(trial.conditions, len(trial.conditions))))


def _trap(study: Study, item: str, rng: Random) -> Trial:
    """A trial whose answer is known, of as many stimuli as others."""
    conditions = [TRAP] if study.shown == "one" else [TRAP, study.trap_source]
    if study.shown == "all":
        others = [c for c in study.conditions if c != study.trap_source]
        conditions += others[:-1]
    return Trial("trap", item, tuple(rng.sample(conditions, len(conditions))))
