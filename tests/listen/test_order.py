"""Every system meets every place equally often, and every listener everything once."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from clarion.listen.design import DESIGNS
from clarion.listen.order import Trial, session, williams_square
from clarion.listen.study import TRAP, Study

ITEMS = ("a", "b", "c", "d", "e", "f")


def study(design: str, **changes: object) -> Study:
    given = {"title": "t", "systems": ("noisy", "x", "y"), "baseline": "noisy", "reference": "r"}
    return Study(design=design, **given | changes)  # pyright: ignore


def counting(trials: tuple[Trial, ...]) -> list[Trial]:
    return [trial for trial in trials if trial.kind == "test"]


@pytest.mark.parametrize("n", range(2, 9))
def test_squares_are_balanced(n):
    rows = williams_square(n)
    assert len(rows) == (n if n % 2 == 0 else 2 * n)
    for start in range(0, len(rows), n):  # Latin
        for place in range(n):
            assert sorted(row[place] for row in rows[start : start + n]) == list(range(n))
    followers = Counter(pair for row in rows for pair in pairwise(row))
    assert len(followers) == n * (n - 1)
    assert set(followers.values()) == {len(rows) // n}


@pytest.mark.parametrize("design", DESIGNS)
@pytest.mark.parametrize("listener", [0, 1, 7])
def test_a_listener_meets_everything_once(design, listener):
    of = study(design)
    trials = counting(session(of, ITEMS, listener))
    if of.shown == "all":
        assert sorted(trial.item for trial in trials) == sorted(ITEMS)
        assert all(sorted(trial.conditions) == sorted(of.conditions) for trial in trials)
        return
    met = [(t.item, *sorted(set(t.conditions) - {of.baseline} or {of.baseline})) for t in trials]
    assert sorted(met) == sorted((item, c) for item in ITEMS for c in of.conditions)
    assert all(one.item != other.item for one, other in pairwise(trials))
    if of.shown == "pair":
        assert all(of.baseline in trial.conditions for trial in trials)


def test_over_listeners_items_and_stimuli_take_every_place():
    of = study("multi_stimulus", anchor_hz=None)  # four conditions
    sessions = [counting(session(of, ITEMS, listener)) for listener in range(12)]
    for place in range(len(ITEMS)):
        assert set(Counter(s[place].item for s in sessions).values()) == {2}
    for item in ITEMS:
        shown = [next(t.conditions for t in s if t.item == item) for s in sessions]
        for place in range(4):
            assert Counter(row[place] for row in shown) == dict.fromkeys(of.conditions, 3)


@pytest.mark.parametrize("design", ["ccr", "ab"])
def test_half_of_the_pairs_come_in_either_order(design):
    of = study(design)
    sessions = [counting(session(of, ITEMS, listener)) for listener in range(8)]
    first = Counter((t.item, t.conditions) for s in sessions for t in s)
    assert set(first.values()) == {4}  # of 8 listeners, for each item and comparison
    for trials in sessions:
        assert sum(t.conditions[0] == of.baseline for t in trials) == len(trials) / 2


@pytest.mark.parametrize("design", DESIGNS)
def test_traps_and_repetitions_are_placed_apart(design):
    of = study(design, traps=3, duplicates=2, practice=1)
    for listener in range(5):
        trials = session(of, ITEMS, listener)
        assert [t.kind for t in trials].count("trap") == 3
        assert trials[0].kind == "practice"
        assert trials[1].kind == "test"
        for place, trial in enumerate(trials):
            if trial.kind == "duplicate":
                same = [
                    p
                    for p, t in enumerate(trials)
                    if t.kind == "test"
                    and (t.item, sorted(t.conditions)) == (trial.item, sorted(trial.conditions))
                ]
                assert len(same) == 1
                assert same[0] < place
            if trial.kind == "trap":
                assert TRAP in trial.conditions
                size = len(next(t for t in trials if t.kind == "test").conditions)
                assert len(trial.conditions) == size  # it does not look different
        assert [t.kind for t in trials].count("duplicate") == 2


def test_the_order_follows_from_the_seed():
    same = [session(study("acr", seed=3), ITEMS, 2) for _ in range(2)]
    assert same[0] == same[1]
    assert session(study("acr", seed=4), ITEMS, 2) != same[0]
