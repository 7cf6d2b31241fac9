"""From answers to findings: means, effects with intervals, tests, and whether the claim holds."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError
from clarion.listen.bootstrap import crossed_interval
from clarion.listen.design import NO_EFFECT, Effect, Scale
from clarion.listen.mixed_model import MixedModel, fit
from clarion.listen.responses import Listener, Responses
from clarion.listen.screening import reasons
from clarion.listen.signed_rank import holm, signed_rank_p
from clarion.listen.study import Claim, Study

Array = NDArray[np.float64]

Verdict: TypeAlias = Literal["shown", "not shown"]


@dataclass(frozen=True)
class Interval:
    """A number with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Comparison:
    """One system beside the baseline, on one question.

    Args:
        scale: name of the question.
        system: which.
        effect: in the unit of the design.
        p: of Wilcoxon's test on the listeners' mean differences.
        p_holm: the same, corrected for all systems of the question.
        model: of the differences in points; None if there is no spread to fit it to.
        by_listener: number of a listener -> the effect for him alone.
    """

    scale: str
    system: str
    effect: Interval
    p: float
    p_holm: float
    model: MixedModel | None
    by_listener: dict[int, float]


@dataclass(frozen=True)
class Analysis:
    """All that is found.

    Args:
        study: which.
        items: how many.
        listeners: all who answered, with the reasons to leave each out.
        kept: how many stayed.
        means: scale -> condition -> mean rating; of pairs, the mean answer.
        comparisons: each system beside the baseline.
        verdict: on the claim; None if there is none.
        is_simulated: whether no person answered.
    """

    study: Study
    items: int
    listeners: tuple[tuple[Listener, tuple[str, ...]], ...]
    kept: int
    means: dict[str, dict[str, Interval]]
    comparisons: tuple[Comparison, ...]
    verdict: Verdict | None
    is_simulated: bool

    def to_json(self) -> dict[str, Any]:
        """The numbers as plain types."""
        return {
            "title": self.study.title,
            "design": self.study.design,
            "simulated": self.is_simulated,
            "items": self.items,
            "listeners_before_screening": len(self.listeners),
            "listeners_after_screening": self.kept,
            "listeners": [asdict(x) | {"left_out_for": list(why)} for x, why in self.listeners],
            "effect": self.study.form.effect,
            "means": {s: {c: asdict(i) for c, i in of.items()} for s, of in self.means.items()},
            "comparisons": [asdict(comparison) for comparison in self.comparisons],
            "claim": None if self.study.claim is None else asdict(self.study.claim),
            "verdict": self.verdict,
        }


def analyse(responses: Responses, include_unfinished: bool = False) -> Analysis:
    """Screen, compare, judge.

    Args:
        responses: all that was answered.
        include_unfinished: whether listeners count who answered some trials only.

    Raises:
        ClarionError: if fewer than two listeners stay.
    """
    why = list(reasons(responses))
    for number, listener in enumerate(responses.listeners):
        if not listener.is_finished and not include_unfinished:
            why[number] = (*why[number], "has not finished")
    kept = responses.only([not words for words in why])
    if len(kept.listeners) < 2:
        left_out = "; ".join(
            f"listener {x.number} {', '.join(words)}"
            for x, words in zip(responses.listeners, why, strict=True)
            if words
        )
        raise ClarionError(
            f"An analysis takes at least 2 listeners, and of {len(why)} there stay "
            f"{len(kept.listeners)}. {left_out or 'More have to answer'}."
        )
    study = responses.study
    comparisons = tuple(c for scale in study.scales for c in _comparisons(kept, scale))
    return Analysis(
        study,
        len(responses.items),
        tuple(zip(responses.listeners, why, strict=True)),
        len(kept.listeners),
        {scale.name: _means(kept, scale) for scale in study.scales},
        comparisons,
        None if study.claim is None else judge(study.claim, study, comparisons),
        responses.is_simulated,
    )


def judge(claim: Claim, study: Study, comparisons: tuple[Comparison, ...]) -> Verdict:
    """Whether a claim, stated before the test, was shown."""
    scale = claim.scale or study.scales[-1].name
    found = next(c.effect for c in comparisons if (c.scale, c.system) == (scale, claim.system))
    return "shown" if holds(found, claim, study.form.effect) else "not shown"


def holds(found: Interval, claim: Claim, effect: Effect) -> bool:
    """Whether an effect is what a claim says; see `Claim.level`."""
    if claim.level == "proved":
        return found.low >= claim.at_least
    return found.value >= claim.at_least and found.low > NO_EFFECT[effect]


def effect_of(effect: Effect, *means: Any) -> Any:
    """The effect, of mean answers to a system and, for ratings, to the baseline."""
    if effect == "gain":
        with np.errstate(divide="ignore", invalid="ignore"):
            return 100 * (np.divide(means[0], means[1]) - 1)
    return means[0] if effect == "points" else 50 * (1 + means[0])


def effect_interval(effect: Effect, tables: tuple[Array, ...], seed: int = 0) -> Interval:
    """An effect and its 95 % interval.

    Args:
        effect: which kind.
        tables: answers to the system, and for ratings to the baseline, (listeners, items) each.
        seed: of the bootstrap.

    Raises:
        ClarionError: where a gain over a baseline rated 0 is asked for, by all or by listeners and
            items that may be drawn; or for fewer than two listeners or items.
    """

    def statistic(*means: Array) -> Array:
        if effect == "gain" and not np.all(means[1] > 0):
            raise ClarionError(
                "The baseline was rated 0 throughout, or by so many that a bootstrap draws them "
                "alone; nothing is a percentage of that."
            )
        return effect_of(effect, *means)

    low, high = crossed_interval(tables, statistic, seed)
    value = float(statistic(*(np.nanmean(table) for table in tables)))  # pyright: ignore
    return Interval(value, low, high)


def _tables(responses: Responses, scale: Scale, system: str) -> tuple[Array, ...]:
    """What an effect is made of; only where both are answered."""
    if responses.study.shown == "pair":
        return (responses.of(scale, system),)
    ours, base = (responses.of(scale, c) for c in (system, responses.study.baseline))
    both = np.isfinite(ours) & np.isfinite(base)
    return np.where(both, ours, np.nan), np.where(both, base, np.nan)


def _comparisons(responses: Responses, scale: Scale) -> list[Comparison]:
    study = responses.study
    others = [system for system in study.systems if system != study.baseline]
    tables = {system: _tables(responses, scale, system) for system in others}
    differences = {s: t[0] if study.shown == "pair" else t[0] - t[1] for s, t in tables.items()}
    p_values = [signed_rank_p(_finite(_of_each(differences[s])).tolist()) for s in others]
    corrected = dict(zip(others, zip(p_values, holm(p_values), strict=True), strict=True))
    return [
        Comparison(
            scale.name,
            system,
            effect_interval(study.form.effect, tables[system], study.seed),
            *corrected[system],
            fit(differences[system]) if np.ptp(_finite(differences[system])) > 0 else None,
            _by_listener(responses.listeners, study.form.effect, tables[system]),
        )
        for system in others
    ]


def _by_listener(
    listeners: tuple[Listener, ...], effect: Effect, tables: tuple[Array, ...]
) -> dict[int, float]:
    """NaN never: who answered nothing, or rated the baseline 0 throughout, is left out."""
    values = effect_of(effect, *map(_of_each, tables))
    numbers = (listener.number for listener in listeners)
    return {n: float(v) for n, v in zip(numbers, values, strict=True) if math.isfinite(v)}


def _of_each(table: Array) -> Array:
    """The mean answer of each listener, (listeners,); NaN of one who gave none."""
    seen = np.isfinite(table)
    with np.errstate(invalid="ignore"):
        return np.where(seen, table, 0.0).sum(1) / seen.sum(1)


def _means(responses: Responses, scale: Scale) -> dict[str, Interval]:
    found = {}
    for condition in responses.study.conditions:
        table = responses.of(scale, condition)
        low, high = crossed_interval((table,), lambda mean: mean, responses.study.seed)
        found[condition] = Interval(float(np.nanmean(table)), low, high)
    return found


def _finite(table: Array) -> Array:
    return table[np.isfinite(table)]
