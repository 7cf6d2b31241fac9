"""Adaptive projected guidance: geometry, bound and memory."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.guide import APG, CFG
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
RULE = APG(3.0, 0.3, 0.2)


def mean(rule, visit=None):
    guided = rule(DENOISER)
    return (guided if visit is None else guided.at(visit))(X, T, CONDITION).mean


def test_with_its_settings_left_out_it_is_cfg():
    torch.testing.assert_close(mean(APG(3.0, eta=1.0)), mean(CFG(3.0)), **SAME)
    torch.testing.assert_close(mean(APG(0.0, eta=1.0)), ABSENT, **SAME)


def test_scale_one_is_the_conditional_model():
    torch.testing.assert_close(mean(APG(1.0, 0.5, 0.1, -0.5)), OWN, **SAME)


def test_what_is_added_is_orthogonal_to_the_estimate():
    added = mean(APG(3.0)) - OWN
    torch.testing.assert_close((added * OWN).sum(1), torch.zeros(5, dtype=X.dtype), **SAME)
    assert (added.norm(dim=1) > 0.01).all()


def test_the_norm_is_bounded_sample_by_sample():
    norms = (OWN - ABSENT).norm(dim=1)
    bound = float(norms.median())
    added = (mean(APG(2.0, eta=1.0, norm_threshold=bound)) - OWN).norm(dim=1)
    torch.testing.assert_close(added, norms.clamp(max=bound), **SAME)
    assert (norms > bound * 1.01).any()
    assert (norms < bound * 0.99).any()


def test_momentum_sums_up_the_stops_of_one_run():
    rule, memory = APG(2.0, eta=1.0, momentum=-0.5), {}
    guided = rule(DENOISER)
    difference = OWN - ABSENT
    for weight in (1.0, 0.5, 0.75):  # 1, 1 - 0.5, 1 - 0.5 * 0.5
        actual = guided.at(Visit(0.5, memory=memory))(X, T, CONDITION).mean
        torch.testing.assert_close(actual, OWN + weight * difference, **SAME)
    afresh = guided.at(Visit(0.5))(X, T, CONDITION).mean
    torch.testing.assert_close(afresh, OWN + difference, **SAME)
    torch.testing.assert_close(mean(rule), OWN + difference, **SAME)


def test_equal_and_zero_estimates_are_left_alone():
    condition = encode_condition(SPEC, {}, 5)
    actual = RULE(DENOISER)(X, T, condition).mean
    torch.testing.assert_close(actual, DENOISER(X, T).mean, **SAME)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"eta": float("nan")}, "eta must be a finite number, got nan"),
        ({"norm_threshold": 0.0}, r"norm_threshold must be a finite number above 0, got 0\.0"),
        ({"momentum": -1.0}, r"momentum must lie between -1 and 1, got -1\.0"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ClarionError, match=message):
        APG(3.0, **settings)


def test_no_sample_depends_on_the_others():
    guided = RULE(DENOISER)
    together = guided(X, T, CONDITION).mean
    for i in range(5):
        row = slice(i, i + 1)
        alone = guided(X[row], T[row], CONDITION.rows(row)).mean
        torch.testing.assert_close(alone, together[row], **SAME)
