"""What predictors can rank that is better than all they saw, where it is known."""

from __future__ import annotations

import dataclasses
import itertools

import pytest
import torch
from torch import Tensor

from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.design.foresight import foresight
from clarion.domains.sequence.design.known import Known
from clarion.nets.regressor import RegressorConfig
from clarion.train.ensemble import EnsembleConfig, fit_ensemble

VOCABULARY = Vocabulary(tuple("ABC"))
TOKENS = torch.tensor(list(itertools.product(range(3), repeat=5)))
CONFIG = EnsembleConfig(
    RegressorConfig(width=16, kernel=3, dropout=0.0), num_folds=3, num_steps=150
)


def known_of(values: Tensor) -> Known:
    return Known(TOKENS, tuple(VOCABULARY.texts(TOKENS)), values.double(), VOCABULARY)


def additive() -> Tensor:
    """A sum over positions: what the worse half tells holds for the better."""
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    return weights[torch.arange(5), TOKENS].sum(1)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_follows_one_rule_throughout_is_foreseen(sign: float) -> None:
    known = known_of(additive())
    found = foresight(fit_ensemble(TOKENS, known.values, 3, CONFIG), known, CONFIG, sign)
    assert found is not None
    assert found.beyond.n == found.within.n == len(TOKENS) // 2
    assert found.beyond.value > 0.8
    assert found.within.value > 0.9


def test_a_rule_that_holds_only_of_the_better_is_not() -> None:
    """Better sequences begin with C; how good they are then is told by a rule turned round."""
    plain, is_better = additive(), TOKENS[:, 0] == 2
    tail = plain - additive_of_first()
    values = torch.where(is_better, 10 - tail, tail)
    known = dataclasses.replace(known_of(values))
    worse, better = TOKENS[~is_better], TOKENS[is_better]
    assert len(worse) == 2 * len(better)
    found = foresight(fit_ensemble(TOKENS, known.values, 3, CONFIG), known, CONFIG, 1.0)
    assert found is not None
    assert found.beyond.value < found.within.value - 0.2


def additive_of_first() -> Tensor:
    weights = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    return weights[0, TOKENS[:, 0]]


def test_no_network_ranks_what_it_saw() -> None:
    values = additive()
    ensemble = fit_ensemble(TOKENS, values, 3, CONFIG)
    each = ensemble.each(TOKENS)
    for fold in range(CONFIG.num_folds):
        rows = ensemble.folds == fold
        torch.testing.assert_close(ensemble.held_out(TOKENS)[rows], each[fold][rows])
    errors = (ensemble.held_out(TOKENS) - values).abs()
    torch.testing.assert_close(ensemble.errors, errors, rtol=1e-4, atol=1e-4)


def test_of_few_or_equal_ones_nothing_is_said() -> None:
    few = Known(TOKENS[:8], tuple(VOCABULARY.texts(TOKENS[:8])), torch.arange(8.0), VOCABULARY)
    ensemble = fit_ensemble(few.tokens, few.values, 3, CONFIG)
    assert foresight(ensemble, few, CONFIG, 1.0) is None
    same = TOKENS[:1].expand(40, -1)
    alike = Known(same, ("AAAAA",) * 40, torch.arange(40.0), VOCABULARY)
    assert foresight(fit_ensemble(same, alike.values, 3, CONFIG), alike, CONFIG, 1.0) is None
    two = known_of((TOKENS[:, 0] == 0).double())
    assert foresight(fit_ensemble(TOKENS, two.values, 3, CONFIG), two, CONFIG, 1.0) is None
