"""A model steered by several rules: which of them serve one request together."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.guide import APG, CFG, Autoguidance, Rescale, SampleSpace
from clarion.process import Flow
from clarion.run.steering import steer
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
DENOISER = TARGETS["classes"].denoiser(Flow())
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.full((5,), 0.5, dtype=torch.float64)
AWAY = encode_condition(SPEC, {"label": 0}, 5, {"label": 1})
PLAIN = encode_condition(SPEC, {"label": 0}, 5)


def steered(condition, *rules):
    return steer(DENOISER, rules, SampleSpace((2,), condition=condition, spec=SPEC))


@pytest.mark.parametrize("outer", [CFG(2.0), APG(3.0), CFG(2.0, t_low=0.2, t_high=0.7)])
def test_two_contrasts_with_a_negative_condition_are_refused(outer):
    message = rf"only {type(outer).__name__}, the outer one, .* and CFG from nothing in particular"
    with pytest.raises(ClarionError, match=message) as info:
        steered(AWAY, CFG(3.0), outer)
    assert "\n" not in str(info.value)


def test_in_intervals_that_are_apart_each_steers_away_from_it():
    """At 0.5 the inner rule alone acts: its formula, with the negative condition in it."""
    denoiser = steered(AWAY, CFG(3.0, t_low=0.4), Rescale(2.0, t_high=0.3))
    worse, better = DENOISER(X, T, AWAY.negative).mean, DENOISER(X, T, PLAIN).mean
    actual = denoiser(X, T, AWAY).mean
    torch.testing.assert_close(actual, worse + 3 * (better - worse), rtol=0, atol=1e-12)


def test_a_weak_model_round_it_hides_no_negative_condition():
    weak = TARGETS["class_0"].denoiser(Flow())
    worse, better = DENOISER(X, T, AWAY.negative).mean, DENOISER(X, T, PLAIN).mean
    own, guided = weak(X, T, PLAIN).mean, worse + 3 * (better - worse)
    actual = steered(AWAY, CFG(3.0), Autoguidance(1.5, weak))(X, T, AWAY).mean
    torch.testing.assert_close(actual, own + 1.5 * (guided - own), rtol=0, atol=1e-12)


def test_without_one_two_contrasts_are_the_formula_of_both():
    """The inner one has nothing to steer by where the outer one asks without the condition."""
    absent, own = DENOISER(X, T).mean, DENOISER(X, T, PLAIN).mean
    inner = absent + 3 * (own - absent)
    actual = steered(PLAIN, CFG(3.0), CFG(2.0))(X, T, PLAIN).mean
    torch.testing.assert_close(actual, absent + 2 * (inner - absent), rtol=0, atol=1e-12)
