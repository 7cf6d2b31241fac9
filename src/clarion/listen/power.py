"""How often a study of some size would find what is there, tried on simulated listeners."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from clarion.base.streams import mix_seed
from clarion.evaluate.metric import Metric, share
from clarion.listen.analysis import effect_interval, holds
from clarion.listen.mixed_model import fit
from clarion.listen.simulation import ListenerModel
from clarion.listen.study import Claim

SIMULATED = "simulated listeners"


@dataclass(frozen=True)
class Power:
    """What of many simulated studies comes out.

    Args:
        above_0: share whose interval lies above 0.
        by_model: share in which the mixed model's does.
        estimated: share that shows a claim of the level "estimated".
        proved: share that shows one of the level "proved".
    """

    above_0: Metric
    by_model: Metric
    estimated: Metric
    proved: Metric


def power(
    num_listeners: int,
    num_items: int,
    gain_percent: float,
    at_least: float = 20.0,
    studies: int = 400,
    seed: int = 0,
    model: ListenerModel | None = None,
) -> Power:
    """Simulate studies of ratings from 0 to 100, and analyse each as a real one.

    Args:
        num_listeners: after screening.
        num_items: that each of them rates.
        gain_percent: the truth.
        at_least: what is claimed.
        studies: how many.
        seed: of all of them.
        model: of the listeners.
    """
    model = model or ListenerModel()
    means = [model.baseline * (1 + gain_percent / 100), model.baseline]
    counts = np.zeros(4, int)
    for number in range(studies):
        rng = np.random.default_rng(mix_seed("power", seed, number))
        drawn = np.clip(np.round(model.draw(means, num_listeners, num_items, rng)), 0, 100)
        found = effect_interval("gain", (drawn[:, :, 0], drawn[:, :, 1]), number)
        counts += (
            found.low > 0,
            fit(drawn[:, :, 0] - drawn[:, :, 1]).low > 0,
            holds(found, Claim("it", at_least, "estimated"), "gain"),
            holds(found, Claim("it", at_least, "proved"), "gain"),
        )
    return Power(*(share(int(count), studies, SIMULATED) for count in counts))
