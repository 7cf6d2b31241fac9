"""Autoguidance with two exact models."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide import CFG, Autoguidance
from clarion.process import EDM, Flow
from clarion.run.steering import read_rules
from clarion.sample import sample
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.linspace(0.2, 0.8, 5, dtype=torch.float64)
CONDITION = encode_condition(SPEC, {"label": [0, 1, None, 1, 0]}, 5)
SAME = {"rtol": 0, "atol": 1e-12}


def models(process=Flow()):  # noqa: B008
    """A model, and one of broader data."""
    return TARGETS["classes"].denoiser(process), GaussianDenoiser(
        process, torch.zeros(2, dtype=torch.float64), 4 * torch.eye(2, dtype=torch.float64)
    )


@pytest.mark.parametrize("scale", [0.0, 1.0, 1.8, -1.0])
@pytest.mark.parametrize("condition", [CONDITION, None])
def test_it_goes_from_the_weak_model_to_the_other_one_and_beyond(scale, condition):
    model, weak = models()
    worse, better = weak(X, T).mean, model(X, T, condition).mean
    actual = Autoguidance(scale, weak)(model)(X, T, condition).mean
    torch.testing.assert_close(actual, worse + scale * (better - worse), **SAME)


def test_between_two_gaussians_the_score_is_that_of_a_gaussian():
    """Precisions add up: w / v - (w - 1) / v_weak at noisy variances v and v_weak."""
    model = GaussianDenoiser(Flow(), torch.zeros(1), torch.eye(1))
    weak = GaussianDenoiser(Flow(), torch.zeros(1), 4 * torch.eye(1))
    x_t, t = X[:, :1], T
    estimate = Autoguidance(2.5, weak)(model)(x_t, t)
    variance, weak_variance = (1 - t) ** 2 + t**2, 4 * (1 - t) ** 2 + t**2
    expected = -(2.5 / variance - 1.5 / weak_variance).unsqueeze(1) * x_t
    torch.testing.assert_close(estimate.score(Flow(), x_t, t), expected, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize(("scale", "asked"), [(0.0, (0, 5)), (1.0, (5, 0)), (1.8, (5, 5))])
def test_each_model_is_asked_only_where_it_counts(scale, asked):
    model, weak = models()
    weak(X, T)  # what was asked before is not this rule's
    guided = Autoguidance(scale, weak)(model)
    guided(X, T, CONDITION)
    assert model.num_evaluations == asked[0]
    assert guided.num_evaluations == sum(asked)
    assert (guided.at(Visit(0.5)) is model) == (scale == 1)


def test_no_sample_depends_on_the_others():
    model, weak = models()
    guided = Autoguidance(1.8, weak)(model)
    together = guided(X, T, CONDITION).mean
    for i in range(5):
        row = slice(i, i + 1)
        alone = guided(X[row], T[row], CONDITION.rows(row)).mean
        torch.testing.assert_close(alone, together[row], **SAME)


def test_it_stacks_with_guidance_away_from_a_negative_condition():
    model, weak = models()
    condition = encode_condition(SPEC, {"label": 0}, 5, {"label": 1})
    inner = CFG(3.0)(model)
    worse, better = weak(X, T).mean, inner(X, T, condition).mean
    actual = Autoguidance(1.8, weak)(inner)(X, T, condition).mean
    torch.testing.assert_close(actual, worse + 1.8 * (better - worse), **SAME)


def test_models_of_different_processes_are_refused():
    with pytest.raises(
        ClarionError, match=r"weak model must have the model's process: it has EDM.*the model Flow"
    ):
        Autoguidance(1.8, models(EDM())[1])(models()[0])


def test_what_is_no_model_is_refused():
    with pytest.raises(ClarionError, match="weak must be a Denoiser, got 'runs/small'"):
        Autoguidance(1.8, "runs/small")


def test_it_is_typed_with_the_name_of_the_weak_model():
    model, weak = models()
    opened = []

    def load(path):
        opened.append(path)
        return weak

    (rule,) = read_rules("auto:runs/small:1.8@0.2-0.7", load, EDM())
    assert opened == ["runs/small"]
    assert rule == Autoguidance(1.8, weak, t_low=0.2, t_high=0.7)
    assert "weak" not in repr(rule)  # a network prints pages
    x = sample(rule(model), (2,), n=2, condition=CONDITION.rows(slice(2)), num_steps=4)
    assert x.isfinite().all()
    assert rule.num_evaluations == weak.num_evaluations > 0
    with pytest.raises(ClarionError, match="lacks guidance_scale; it is written auto:"):
        read_rules("auto:runs/small", load, EDM())
