"""Which settings the search tries and takes, with trials of stated outcome."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import pytest
import torch

from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.design.judge import Judge
from clarion.domains.sequence.design.known import Known
from clarion.domains.sequence.design.pool import Kept
from clarion.domains.sequence.design.search import Search, SearchConfig, Setting, Trial
from clarion.run.model import Model
from clarion.train.ensemble import EnsembleConfig, fit_ensemble

VOCABULARY = Vocabulary(tuple("AB"))
TOKENS = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
VALUES = torch.tensor([1.0, 2.0, 3.0, 4.0], dtype=torch.float64)
KNOWN = Known(TOKENS, tuple(VOCABULARY.texts(TOKENS)), VALUES, VOCABULARY)


class Told(Search):
    """A search whose trials come out as stated.

    Args:
        merits: strength -> merit.
        kept: strength -> diversity of the designs.
        spread: strength -> mean distance of all draws.
        config: what is tried.
    """

    def __init__(
        self,
        merits: Mapping[float, float],
        kept: Mapping[float, float],
        spread: Mapping[float, float],
        config: SearchConfig,
    ) -> None:
        ensemble = fit_ensemble(TOKENS, VALUES, 2, EnsembleConfig(num_folds=2, num_steps=1))
        sign = config.sign
        super().__init__(cast(Model, None), Judge(ensemble, KNOWN, sign, 0.9), config)
        self.merits, self.kept, self.spread = merits, kept, spread

    def _try(self, setting: Setting) -> Trial:
        strength = setting.strength
        spread = self.spread.get(strength, 9.0 - 0.1 * strength)
        return Trial(setting, self.merits[strength], self.kept.get(strength, 9.0), spread, 1.0)

    def draw(self, setting: Setting, count: int) -> Kept:
        return Kept(TOKENS[:1], KNOWN.texts[:1], VALUES[:1])


NONE: Mapping[float, float] = {}


def found(
    merits: Mapping[float, float],
    kept: Mapping[float, float] = NONE,
    spread: Mapping[float, float] = NONE,
    **config: object,
) -> tuple[float, list[float]]:
    """The strength that is taken, and those that were tried."""
    settings = SearchConfig(
        beyond=(0.0,), scales=(1.0,), strengths=tuple(merits), **config  # pyright: ignore
    )  # fmt: skip
    designs = Told(merits, kept, spread, settings).run()
    return designs.setting.strength, [trial.setting.strength for trial in designs.trials]


def test_the_best_strength_is_taken() -> None:
    merits = {0.0: 1.0, 1.0: 0.9, 2.0: 1.5, 4.0: 1.4, 8.0: 1.3}
    assert found(merits) == (2, [0, 1, 2, 4, 8])


def test_less_is_better_where_less_is_wanted() -> None:
    merits = {0.0: 1.0, 1.0: 0.5, 2.0: 0.7, 4.0: 0.8}
    assert found(merits, minimise=True) == (1, [0, 1, 2, 4])


@pytest.mark.parametrize(("wanted", "taken"), [(0.0, 2), (5.0, 1), (8.0, 4)])
def test_only_those_count_that_keep_the_diversity(wanted: float, taken: float) -> None:
    kept = {0.0: 3.0, 1.0: 5.0, 2.0: 4.0, 4.0: 6.0}
    merits = {0.0: 1.0, 1.0: 2.0, 2.0: 3.0, 4.0: 1.5}
    assert found(merits, kept, diversity=wanted)[0] == taken


@pytest.mark.parametrize(("agree", "taken"), [(0.0, 0), (1.0, 1), (2.0, 2), (4.0, 4)])
def test_strengths_from_which_on_draws_differ_again_do_not_count(
    agree: float, taken: float
) -> None:
    merits = {0.0: 1.0, 1.0: 2.0, 2.0: 3.0, 4.0: 4.0}
    spread = {strength: abs(strength - agree) for strength in merits}
    assert found(merits, spread=spread)[0] == taken
