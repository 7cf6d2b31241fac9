"""Guidance with the deviation of the conditional estimate."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.guide import CFG, Rescale, SampleSpace
from clarion.process import Flow
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.linspace(0.2, 0.8, 5, dtype=torch.float64)
CONDITION = encode_condition(SPEC, {"label": 0}, 5, {"label": [1, 1, None, None, 1]})
DENOISER = TARGETS["classes"].denoiser(Flow())
ABSENT = DENOISER(X, T, CONDITION.negative).mean
OWN = DENOISER(X, T, CONDITION).mean
SAME = {"rtol": 0, "atol": 1e-12}
RULE = Rescale(3.0, 0.7)


def mean(rule):
    return rule(DENOISER)(X, T, CONDITION).mean


def test_fully_rescaled_each_sample_has_the_deviation_of_the_conditional_estimate():
    actual, guided = mean(Rescale(3.0, 1.0)), mean(CFG(3.0))
    torch.testing.assert_close(actual.std(1), OWN.std(1), **SAME)
    assert (guided.std(1) - OWN.std(1)).abs().min() > 0.01
    # Only the size changes: it stays along the estimate of CFG.
    cross = actual[:, 0] * guided[:, 1] - actual[:, 1] * guided[:, 0]
    torch.testing.assert_close(cross, torch.zeros_like(cross), **SAME)


def test_the_share_mixes_both():
    expected = 0.7 * mean(Rescale(3.0, 1.0)) + 0.3 * mean(CFG(3.0))
    torch.testing.assert_close(mean(RULE), expected, **SAME)
    torch.testing.assert_close(mean(Rescale(3.0, 0.0)), mean(CFG(3.0)), **SAME)


def test_scale_one_and_zero():
    torch.testing.assert_close(mean(Rescale(1.0)), OWN, **SAME)
    torch.testing.assert_close(mean(Rescale(0.0, 0.0)), ABSENT, **SAME)
    expected = ABSENT * (OWN.std(1) / ABSENT.std(1)).unsqueeze(1)
    torch.testing.assert_close(mean(Rescale(0.0, 1.0)), expected, **SAME)


def test_bad_settings():
    with pytest.raises(ClarionError, match=r"phi must be a finite number in \[0, 1\], got 1\.5"):
        Rescale(3.0, 1.5)
    with pytest.raises(ClarionError, match=r"2 or more elements, got shape \(1,\)"):
        RULE.bind(SampleSpace((1,)))
    assert RULE.bind(SampleSpace((2,))) == RULE


def test_no_sample_depends_on_the_others():
    guided = RULE(DENOISER)
    together = guided(X, T, CONDITION).mean
    for i in range(5):
        row = slice(i, i + 1)
        alone = guided(X[row], T[row], CONDITION.rows(row)).mean
        torch.testing.assert_close(alone, together[row], **SAME)
