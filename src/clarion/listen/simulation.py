"""Made-up listeners, to rehearse a study and to find out how many real ones it takes.

A rating of 0 to 100 is

    m_s + a_l + b_j + c_ls + d_js + e_ljs

with a mean of the condition, and normal parts of the listener, the item, both with the condition,
and of chance; it is rounded and kept within the scale. What is simulated is marked as such in every
record and every report.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clarion.base.options import check_number, check_whole
from clarion.base.streams import mix_seed
from clarion.listen.answers import Answers
from clarion.listen.design import Scale
from clarion.listen.key import Key
from clarion.listen.order import Trial
from clarion.listen.records import End, Rating, Record, Start, TrialAnswer
from clarion.listen.study import ANCHOR, TRAP

Array = NDArray[np.float64]

CLARITY = {ANCHOR: 25.0, TRAP: 5.0}
REFERENCE_CLARITY = 98.0
POINTS_A_CATEGORY = 15.0  # of a comparison

AT = "2000-01-01T00:00:00"  # nobody was there


@dataclass(frozen=True)
class ListenerModel:
    """How listeners and items spread, in points of 0 to 100.

    Args:
        baseline: mean rating of the baseline.
        sd_listener: of how high a listener rates all.
        sd_item: of how high an item is rated by all.
        sd_listener_system: of how a listener likes a system in particular.
        sd_item_system: of how an item suits a system in particular.
        sd_residual: of what is left to chance.
    """

    baseline: float = 50.0
    sd_listener: float = 10.0
    sd_item: float = 8.0
    sd_listener_system: float = 4.0
    sd_item_system: float = 4.0
    sd_residual: float = 12.0

    def __post_init__(self) -> None:
        check_number("baseline", self.baseline, 0, 100)
        for name in ("listener", "item", "listener_system", "item_system", "residual"):
            check_number(f"sd_{name}", getattr(self, f"sd_{name}"), 0)

    def draw(
        self, means: Sequence[float], listeners: int, items: int, rng: np.random.Generator
    ) -> Array:
        """Ratings before they are rounded, (listeners, items, conditions)."""
        n = len(means)
        parts = [
            (self.sd_listener, (listeners, 1, 1)),
            (self.sd_item, (1, items, 1)),
            (self.sd_listener_system, (listeners, 1, n)),
            (self.sd_item_system, (1, items, n)),
            (self.sd_residual, (listeners, items, n)),
        ]
        drawn = [sd * rng.standard_normal(shape) for sd, shape in parts]
        return np.asarray(means, float) + sum(drawn)


def simulate(
    key: Key, gain_percent: float, seed: int = 0, model: ListenerModel | None = None
) -> Answers:
    """Answers of made-up listeners to all trials of a study.

    Args:
        key: of the study.
        gain_percent: by how much each system is above the baseline, in clarity of 0 to 100.
        seed: of everything that is drawn.
        model: of the listeners.

    Raises:
        ClarionError: for a gain that is no number.
    """
    check_number("gain_percent", gain_percent, -100, 1000)
    check_whole("seed", seed, 0)
    model = model or ListenerModel()
    study = key.study
    heard = sorted({c for asked in key.sessions for t in asked.trials for c in t.conditions})
    means = dict.fromkeys(heard, model.baseline * (1 + gain_percent / 100)) | {
        study.baseline: model.baseline,
        **CLARITY,
    }
    if study.reference is not None:
        means[study.reference] = REFERENCE_CLARITY
    rng = np.random.default_rng(mix_seed("simulated", seed))
    clarity = model.draw([means[c] for c in heard], len(key.sessions), len(key.items), rng)
    for known in (study.reference, *CLARITY):  # about these nobody is in doubt
        if known in heard:
            at = heard.index(known)
            clarity[:, :, at] = means[known] + rng.normal(0, 2, clarity.shape[:2])
    answers: Answers = {}
    for row, asked in enumerate(key.sessions):
        given: dict[str, str] = {"study": key.id, "listener": asked.code, "at": AT}
        records: list[Record] = [Start(**given, device="headphones", tones_right=6, simulated=True)]
        for number, trial in enumerate(asked.trials):
            of = [
                float(clarity[row, key.items.index(trial.item), heard.index(c)])
                for c in trial.conditions
            ]
            ratings = _ratings(key, trial, of, rng)
            clips = {rating.clip for rating in ratings}
            records.append(
                TrialAnswer(
                    **given, trial=number, ratings=tuple(ratings), plays=dict.fromkeys(clips, 1),
                    heard_s=dict.fromkeys(clips, 1.0), seconds=1.0, simulated=True,
                )
            )  # fmt: skip
        records.append(End(**given, comment="simulated", simulated=True))
        answers[asked.code] = {record.name: record for record in records}
    return answers


def _ratings(
    key: Key, trial: Trial, clarity: list[float], rng: np.random.Generator
) -> list[Rating]:
    scales, clips = key.study.scales, key.shown(trial)
    if key.study.shown == "pair":
        difference = (clarity[1] - clarity[0]) / POINTS_A_CATEGORY
        return [Rating(clips[1], scale.name, _nearest(scale, difference)) for scale in scales]
    return [
        Rating(clip, scale.name, _nearest(scale, scale.low + share * (scale.high - scale.low)))
        for clip, value in zip(clips, clarity, strict=True)
        for scale in scales
        # Several questions are not answered quite alike.
        for share in [(value + (rng.normal(0, 5) if len(scales) > 1 else 0)) / 100]
    ]


def _nearest(scale: Scale, value: float) -> int:
    if scale.is_continuous:
        return int(np.clip(round(value), scale.low, scale.high))
    return min((allowed for allowed, _ in scale.labels), key=lambda allowed: abs(allowed - value))
