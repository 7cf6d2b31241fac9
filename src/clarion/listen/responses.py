"""Answers as tables of numbers: listener by item by condition, and what each listener is like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError
from clarion.listen.answers import Answers
from clarion.listen.design import Scale
from clarion.listen.key import Key
from clarion.listen.order import Trial
from clarion.listen.records import Start, TrialAnswer
from clarion.listen.study import TRAP, Study

TRAP_PASSES = 2
"""The best category, of five, in which a trap may be put."""


@dataclass(frozen=True)
class Listener:
    """What is known of one listener, besides the ratings that count.

    Args:
        number: 1, 2, ... as in links.txt.
        is_finished: whether all trials that count are answered.
        device: "headphones" or "loudspeaker"; None if unknown.
        tones_right: in the headphone check; None without one.
        missed_traps: how many.
        repetition: mean distance between first and second answers to the same; None without any.
        minutes: spent on all trials.
    """

    number: int
    is_finished: bool
    device: str | None
    tones_right: int | None
    missed_traps: int
    repetition: float | None
    minutes: float


@dataclass(frozen=True)
class Responses:
    """All answers of a study.

    Args:
        study: which.
        items: names, in the order of the tables.
        listeners: in the order of the tables.
        values: scale -> (listeners, items, conditions), float64, NaN where there is no answer; the
            conditions are those of the study. Of pairs: above 0 where the system is better than
            the baseline.
        is_simulated: whether no person gave them.
    """

    study: Study
    items: tuple[str, ...]
    listeners: tuple[Listener, ...]
    values: dict[str, NDArray[np.float64]]
    is_simulated: bool

    def of(self, scale: Scale, condition: str) -> NDArray[np.float64]:
        """What was answered to a question on one condition, (listeners, items)."""
        return self.values[scale.name][:, :, self.study.conditions.index(condition)]

    def only(self, kept: Sequence[bool]) -> Responses:
        """The same of some of the listeners."""
        chosen = np.array(kept, bool)
        listeners = tuple(x for x, keep in zip(self.listeners, kept, strict=True) if keep)
        values = {name: table[chosen] for name, table in self.values.items()}
        return Responses(self.study, self.items, listeners, values, self.is_simulated)


def tabulate(key: Key, answers: Answers) -> Responses:
    """Tables of all who answered anything.

    Raises:
        ClarionError: if nobody did, or some answers are simulated and others are not.
    """
    answered = {
        code: trials
        for code in key.by_code
        if (trials := _trials_of(key, code, answers)) and any(t.kind == "test" for t, _ in trials)
    }
    if not answered:
        raise ClarionError("There are no answers to this study yet.")
    simulated = {record.simulated for code in answered for record in answers[code].values()}
    if len(simulated) > 1:
        raise ClarionError("Some answers are simulated and some are not; they cannot be mixed.")
    study, items = key.study, key.items
    shape = (len(answered), len(items), len(study.conditions))
    values = {scale.name: np.full(shape, np.nan) for scale in study.scales}
    listeners = []
    for row, (code, trials) in enumerate(answered.items()):
        for trial, answer in trials:
            if trial.kind == "test":
                for (condition, scale), value in _by_condition(key, trial, answer).items():
                    at = (row, items.index(trial.item), study.conditions.index(condition))
                    values[scale][at] = value
        listeners.append(_listener(key, code, trials, answers[code].get("start")))
    return Responses(study, items, tuple(listeners), values, simulated == {True})


def _trials_of(key: Key, code: str, answers: Answers) -> list[tuple[Trial, TrialAnswer]]:
    asked = key.by_code[code].trials
    records = answers.get(code, {}).values()
    found = sorted((r for r in records if isinstance(r, TrialAnswer)), key=lambda r: r.trial)
    return [(asked[record.trial], record) for record in found]


def _by_condition(key: Key, trial: Trial, answer: TrialAnswer) -> dict[tuple[str, str], int]:
    """(condition, scale) -> value; of a pair the system, and above 0 where it is the better."""
    if key.study.shown == "pair":
        first, second = trial.conditions
        # Of a trap, its source is what must be better.
        against = TRAP if trial.kind == "trap" else key.study.baseline
        sign, system = (1, second) if first == against else (-1, first)
        return {(system, rating.scale): sign * rating.value for rating in answer.ratings}
    named = {key.clips[trial.item][condition]: condition for condition in trial.conditions}
    return {(named[rating.clip], rating.scale): rating.value for rating in answer.ratings}


def _listener(
    key: Key, code: str, trials: list[tuple[Trial, TrialAnswer]], start: object
) -> Listener:
    asked = key.by_code[code].trials
    given = isinstance(start, Start)
    return Listener(
        number=list(key.by_code).index(code) + 1,
        is_finished=sum(t.kind == "test" for t, _ in trials)
        == sum(t.kind == "test" for t in asked),
        device=start.device if given else None,
        tones_right=start.tones_right if given else None,
        missed_traps=sum(t.kind == "trap" and _is_missed(key, t, a) for t, a in trials),
        repetition=_repetition(key, trials),
        minutes=sum(answer.seconds for _, answer in trials) / 60,
    )


def _is_missed(key: Key, trial: Trial, answer: TrialAnswer) -> bool:
    values, scale = _by_condition(key, trial, answer), key.study.scales[-1].name
    if key.study.shown == "one":
        return values[TRAP, scale] > TRAP_PASSES
    source = key.study.trap_source
    worst = values[TRAP, scale] if key.study.shown == "all" else 0
    return values[source, scale] <= worst


def _repetition(key: Key, trials: list[tuple[Trial, TrialAnswer]]) -> float | None:
    def what(trial: Trial) -> tuple[str, frozenset[str]]:
        return trial.item, frozenset(trial.conditions)

    first = {what(t): _by_condition(key, t, a) for t, a in trials if t.kind == "test"}
    distances = [
        abs(value - first[what(trial)][place])
        for trial, answer in trials
        if trial.kind == "duplicate" and what(trial) in first
        for place, value in _by_condition(key, trial, answer).items()
    ]
    return float(np.mean(distances)) if distances else None
