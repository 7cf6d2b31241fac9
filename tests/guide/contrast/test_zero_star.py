"""CFG-Zero*: the best scale of the unconditional velocity, and first stops without any."""

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.guide import CFG, CFGZero
from clarion.process import PROCESSES, Flow
from clarion.sample import sample
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.linspace(0.2, 0.8, 5, dtype=torch.float64)
CONDITION = encode_condition(SPEC, {"label": 0}, 5, {"label": [1, 1, None, None, 1]})
DENOISER = TARGETS["classes"].denoiser(Flow())
ABSENT = DENOISER(X, T, CONDITION.negative).mean
OWN = DENOISER(X, T, CONDITION).mean
SAME = {"rtol": 0, "atol": 1e-12}
RULE = CFGZero(3.0)


def mean(rule):
    return rule(DENOISER)(X, T, CONDITION).mean


def velocity(mean):
    return (X - (1 - T).unsqueeze(1) * mean) / T.unsqueeze(1) - mean


def test_scale_one_is_the_conditional_model():
    torch.testing.assert_close(mean(CFGZero(1.0)), OWN, **SAME)


def test_scale_zero_is_the_velocity_along_the_unconditional_one_that_fits_best():
    found, absent, own = velocity(mean(CFGZero(0.0))), velocity(ABSENT), velocity(OWN)
    error = ((own - found) ** 2).sum(1)
    torch.testing.assert_close(found[:, 0] * absent[:, 1], found[:, 1] * absent[:, 0], **SAME)
    for change in (0.99, 1.01):
        assert (((own - change * found) ** 2).sum(1) > error).all()


def test_it_is_cfg_from_there():
    start = mean(CFGZero(0.0))
    torch.testing.assert_close(mean(RULE), start + 3 * (OWN - start), **SAME)
    assert (mean(RULE) - mean(CFG(3.0))).abs().max() > 0.1


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_at_first_stops_the_straight_path_stands_still(name):
    """x_t / (alpha + sigma), the point on the straight path, does not move under DDIM."""
    process = PROCESSES[name]()
    denoiser = TARGETS["classes"].denoiser(process)
    times = process.time_of_noise_level(torch.tensor([4.0, 2.0, 1.0], dtype=torch.float64))
    total = process.alpha(times) + process.sigma(times)
    for scale in (1.0, 3.0):
        actual = sample(
            CFGZero(scale, zero_init=2)(denoiser),
            (2,),
            n=5,
            condition=CONDITION,
            sampler="ddim",
            times=times,
            start=X,
            dtype=torch.float64,
        )
        torch.testing.assert_close(actual / total[2], X / total[0], rtol=0, atol=1e-10)
    assert denoiser.num_evaluations == 0


def test_stops_are_counted_in_each_run_afresh():
    guided, memory = CFGZero(3.0, zero_init=1)(DENOISER), {}
    expected = mean(RULE)
    still = X / ((1 - T) + T).unsqueeze(1)
    for run in ({}, memory):
        first = guided.at(Visit(0.5, memory=run))(X, T, CONDITION).mean
        torch.testing.assert_close(first, still, **SAME)
    second = guided.at(Visit(0.4, memory=memory))(X, T, CONDITION).mean
    torch.testing.assert_close(second, expected, **SAME)


@pytest.mark.parametrize("zero_init", [-1, True, 1.5])
def test_bad_settings(zero_init):
    with pytest.raises(ClarionError, match=f"must be a whole number, at least 0, got {zero_init}"):
        CFGZero(3.0, zero_init)


def test_no_sample_depends_on_the_others():
    guided = RULE(DENOISER)
    together = guided(X, T, CONDITION).mean
    for i in range(5):
        row = slice(i, i + 1)
        alone = guided(X[row], T[row], CONDITION.rows(row)).mean
        torch.testing.assert_close(alone, together[row], **SAME)
