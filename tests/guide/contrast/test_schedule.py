"""Scales that depend on the time."""

import math

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.guide import CFG, Guidance
from clarion.guide.contrast.schedule import SHAPES
from clarion.process import Flow
from clarion.run.serialize import parse_kind
from clarion.verify.targets import TARGETS

DENOISER = TARGETS["classes"].denoiser(Flow())
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
CONDITION = encode_condition({"label": ClassEntry(2)}, {"label": 0}, 5)

SCALES = {
    "constant": lambda t: 3.0,
    "linear": lambda t: 1 + 2 * 2 * (1 - t),
    "cosine": lambda t: 1 + 2 * (math.cos(math.pi * t) + 1),
    "inverse_linear": lambda t: 1 + 2 * 2 * t,
    "sine": lambda t: 1 + 2 * (math.sin(math.pi * t - math.pi / 2) + 1),
}
"""w(t) at guidance_scale 3: 1 + 2 times the paper's shapes, normalised to a mean of 1."""


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_each_shape_has_mean_one_and_is_monotone(name):
    t = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    shape = SHAPES[name](t)
    assert float(shape.mean()) == pytest.approx(1, abs=1e-12)  # midpoints: exact by symmetry
    steps = shape.diff()
    assert (steps <= 0).all() if name in ("constant", "linear", "cosine") else (steps > 0).all()
    assert (shape >= 0).all()


@pytest.mark.parametrize("name", sorted(SHAPES))
def test_each_sample_is_steered_by_the_scale_of_its_own_time(name):
    rule = CFG(3.0, schedule=name)
    guided = rule(DENOISER)
    actual = guided(X, T, CONDITION).mean
    absent, own = DENOISER(X, T).mean, DENOISER(X, T, CONDITION).mean
    for row, t in enumerate(T.tolist()):
        expected = absent[row] + SCALES[name](t) * (own[row] - absent[row])
        torch.testing.assert_close(actual[row], expected, rtol=0, atol=1e-12)
        at_t = guided.at(Visit(t))(X, torch.full_like(T, t), CONDITION).mean
        torch.testing.assert_close(at_t[row], expected, rtol=0, atol=1e-12)


def test_single_passes_are_kept_where_the_scale_is_one_or_zero():
    assert CFG(3.0, schedule="linear")(DENOISER).at(Visit(1.0)) is DENOISER
    assert CFG(3.0, schedule="inverse_linear")(DENOISER).at(Visit(0.0)) is DENOISER
    assert CFG(1.0, schedule="sine")(DENOISER).at(Visit(0.3)) is DENOISER
    guided = CFG(0.5, schedule="linear")(DENOISER)  # w(0) = 1 - 0.5 * 2 = 0
    before = DENOISER.num_evaluations
    t = torch.full_like(T, 1e-3)
    actual = guided.at(Visit(0.0))(X, t, CONDITION).mean
    assert DENOISER.num_evaluations - before == 5
    torch.testing.assert_close(actual, DENOISER(X, t).mean, rtol=0, atol=1e-12)


def test_the_type_of_x_t_is_kept():
    for name in SHAPES:
        mean = CFG(3.0, schedule=name)(DENOISER)(X.float(), T, CONDITION).mean
        assert mean.dtype == torch.float32


def test_it_is_typed_as_a_setting():
    assert parse_kind(Guidance, "cfg:3,schedule=cosine@0.2-0.7") == CFG(
        3.0, schedule="cosine", t_low=0.2, t_high=0.7
    )


def test_an_unknown_schedule_is_refused():
    with pytest.raises(ClarionError, match=r"schedule 'cosin'\. Did you mean 'cosine'"):
        CFG(3.0, schedule="cosin")
    with pytest.raises(ClarionError, match=r"cfg\.schedule must be one of 'constant', 'linear'"):
        parse_kind(Guidance, "cfg:3,schedule=cosin")
