"""What sequences promise, against sums done by hand."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch.nn import functional as F

from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.design.judge import Judge
from clarion.domains.sequence.design.known import Known
from clarion.domains.sequence.design.predictor import Predictor
from clarion.nets.regressor import RegressorConfig
from clarion.train.ensemble import EnsembleConfig, fit_ensemble

VOCABULARY = Vocabulary(tuple("ABC"))
TOKENS = torch.tensor(list(itertools.product(range(3), repeat=3)))
VALUES = (TOKENS == 0).sum(1).double() * 10 + 100
KNOWN = Known(TOKENS, tuple(VOCABULARY.texts(TOKENS)), VALUES, VOCABULARY)


@pytest.fixture(scope="module")
def ensemble():
    config = EnsembleConfig(RegressorConfig(width=8), num_folds=3, num_steps=40)
    return fit_ensemble(TOKENS, VALUES, 3, config)


def last(x):
    return -7 * x[:, -1, 0]


def test_a_predictor_is_stretched_to_the_known_values():
    predictor = Predictor(last, KNOWN)
    said = predictor.of_tokens(TOKENS)
    assert float(said.mean()) == pytest.approx(float(VALUES.mean()))
    assert float(said.std()) == pytest.approx(float(VALUES.std()))
    ends_in_a = TOKENS[:, -1] == 0
    assert said[ends_in_a].max() < said[~ends_in_a].min()
    vectors = F.one_hot(TOKENS, 3).float()
    torch.testing.assert_close(predictor(vectors).double(), said, rtol=1e-6, atol=0)
    assert predictor.is_smooth
    assert not Predictor(lambda x: (x[:, 0, 0] > 0).float(), KNOWN).is_smooth


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_sure_is_the_mean_of_both(ensemble, sign):
    own = Predictor(last, KNOWN)
    alone, both = (Judge(ensemble, KNOWN, sign, 0.9, predictor) for predictor in (None, own))
    low, high = ensemble.interval(TOKENS, 0.9)
    end = low if sign > 0 else high
    torch.testing.assert_close(alone.surely(TOKENS), end)
    torch.testing.assert_close(both.surely(TOKENS), (end + own.of_tokens(TOKENS)) / 2)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_what_is_steered_by_is_in_deviations_and_has_a_slope(ensemble, sign):
    own = Predictor(last, KNOWN)
    vectors = F.one_hot(TOKENS, 3).float().requires_grad_()
    std = float(VALUES.std())
    judge = Judge(ensemble, KNOWN, sign, 0.9, own)
    expected = sign * (ensemble(vectors) + own(vectors)) / 2 / std
    torch.testing.assert_close(judge.promise(vectors), expected)
    (slope,) = torch.autograd.grad(judge.promise(vectors).sum(), vectors)
    assert slope[:, -1, 0].abs().min() > 0
    rough = Predictor(lambda x: (x[:, 0, 0] > 0).float(), KNOWN)
    alone = Judge(ensemble, KNOWN, sign, 0.9, rough).promise(vectors)
    torch.testing.assert_close(alone, sign * ensemble(vectors) / std)
