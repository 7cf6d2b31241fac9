import math
from itertools import pairwise

import pytest
import torch
from gaussian_flow import MEAN, VARIANCE, propagate

from clarion.base.errors import ClarionError
from clarion.process import EDM, GRIDS
from clarion.sample import SAMPLERS

LEVELS = [10.0, 6.0, 3.0, 1.0, 0.2, 0.0]


def slope(y, s):
    return (y - MEAN - VARIANCE / (VARIANCE + s**2) * (y - MEAN)) / s


def test_heun_is_the_textbook_method_with_an_anchor():
    y = start = 10 * torch.linspace(-1, 1, 4, dtype=torch.float64)
    for s, s_next in pairwise(LEVELS):
        first = slope(y, s)
        predicted = y + (s_next - s) * first
        if s_next > 0:
            predicted = y + (s_next - s) * (first + slope(predicted, s_next)) / 2
        y = predicted
    mean, _ = propagate(SAMPLERS["heun"](), LEVELS, start, torch.zeros_like(start))
    torch.testing.assert_close(mean, y, rtol=0, atol=1e-12)


def test_heun_costs_two_evaluations_a_step_but_for_the_last():
    times = GRIDS["karras"]()(EDM(), 9)
    assert SAMPLERS["heun"]().plan(EDM(), times).num_evaluations == 17


def test_edm_without_churn_is_heun():
    assert SAMPLERS["edm"](s_churn=0.0).updates(LEVELS) == SAMPLERS["heun"]().updates(LEVELS)


def test_edm_is_algorithm_2():
    # A transcription, with its noise first in each step; moments instead of draws.
    sampler = SAMPLERS["edm"](s_churn=2.0, s_tmin=0.5, s_tmax=7.0, s_noise=1.1)
    mean, variance = MEAN + 1, torch.full_like(MEAN, 100.0)
    expected_mean, expected_variance = mean, variance
    for s, s_next in pairwise(LEVELS):
        gamma = min(2.0 / 5, math.sqrt(2) - 1) if 0.5 <= s <= 7.0 else 0.0
        s_hat = s * (1 + gamma)
        expected_variance = expected_variance + 1.1**2 * (s_hat**2 - s**2)

        def step(y, s_hat=s_hat, s_next=s_next):
            first = slope(y, s_hat)
            predicted = y + (s_next - s_hat) * first
            if s_next > 0:
                predicted = y + (s_next - s_hat) * (first + slope(predicted, s_next)) / 2
            return predicted

        gain = step(MEAN + 1) - step(MEAN)  # a step is affine
        expected_mean = step(expected_mean)
        expected_variance = gain**2 * expected_variance
    actual_mean, actual_variance = propagate(sampler, LEVELS, mean, variance)
    torch.testing.assert_close(actual_mean, expected_mean, rtol=0, atol=1e-12)
    torch.testing.assert_close(actual_variance, expected_variance, rtol=1e-12, atol=0)


def test_no_level_lies_beyond_the_start():
    updates = SAMPLERS["edm"](s_tmax=1e6).updates(LEVELS)
    assert max(update.level for update in updates) == LEVELS[0]


def test_churn_interval_must_be_ordered():
    with pytest.raises(ClarionError, match="s_tmin must not lie above s_tmax"):
        SAMPLERS["edm"](s_tmin=2.0, s_tmax=1.0)
