"""RePaint against DDPM, and its cure of the bias of inpainting."""

import math
from itertools import pairwise

import pytest
import torch
from gaussian_flow import MEAN, VARIANCE, propagate

from clarion.base.errors import ClarionError
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide.inpaint import Inpaint
from clarion.process import VE
from clarion.sample import SAMPLERS
from clarion.verify.gaussian_flow import log_uniform_levels

REPAINT = SAMPLERS["repaint"]
DDPM = SAMPLERS["ddpm"]()
LEVELS = [9.0, 5.0, 3.0, 2.0, 1.0, 0.5, 0.0]


@pytest.mark.parametrize("jump_length", [1, 2, 4, 10])
def test_one_pass_is_ddpm(jump_length):
    assert REPAINT(1, jump_length).updates(LEVELS) == DDPM.updates(LEVELS)


def test_it_goes_down_and_back_up():
    updates = REPAINT(num_resamples=3, jump_length=4).updates(LEVELS)
    assert all(u.next_level == v.level for u, v in pairwise(updates))
    visited = [updates[0].level, *(update.next_level for update in updates)]
    down, last = [5, 3, 2, 1], [0.5, 0]
    assert visited == [9, *down[:3], 9, *down[:3], 9, *down, 0.5, 1, 0.5, 1, *last]


def test_a_jump_adds_the_noise_between_the_levels():
    *_, up = REPAINT(2, 2).updates(LEVELS)[:2]
    plain = DDPM.updates(LEVELS)[1]
    assert (up.level, up.next_level, up.keep, up.weights) == (5.0, 9.0, plain.keep, plain.weights)
    assert up.noise**2 == pytest.approx(plain.noise**2 + 9**2 - 3**2, rel=1e-14)


def test_what_has_the_distribution_of_the_data_keeps_it():
    levels = log_uniform_levels(5.0, 0.2, 200)
    mean, variance = propagate(REPAINT(4, 7), levels, MEAN, VARIANCE + levels[0] ** 2)
    torch.testing.assert_close(mean, MEAN, rtol=0, atol=1e-12)
    torch.testing.assert_close(variance, VARIANCE + levels[-1] ** 2, rtol=2e-2, atol=0)


def filled_in(sampler, num_steps, r, k):
    """Expectation of a value of N(0, 1) beside one of correlation r that is known to be k."""
    process = VE(sigma_min=1e-4, sigma_max=1e4)
    rule = Inpaint(torch.tensor([k, 0.0], dtype=torch.float64), torch.tensor([1, 0]))
    steered = rule(GaussianDenoiser(process, [0.0, 0.0], [[1.0, r], [r, 1.0]]))
    y = torch.zeros(1, 2, dtype=torch.float64)  # all is affine: it goes through without noise
    for update in sampler.updates([*log_uniform_levels(1e3, 1e-2, num_steps), 0.0]):
        t = process.time_of_noise_level(torch.tensor([update.level], dtype=torch.float64))
        y = update.keep * y + update.weights[0] * steered(y, t).mean
    return float(y[0, 1])


def test_resampling_mends_the_bias_of_inpainting():
    r, k = 0.8, 1.5
    once, *more = [filled_in(REPAINT(n, 10), 200, r, k) for n in (1, 2, 10)]
    assert once == pytest.approx(k * (1 - math.sqrt(1 - r**2)) / r, rel=2e-2)
    errors = [abs(value - r * k) / (r * k) for value in (once, *more)]
    assert all(fewer > others for fewer, others in pairwise(errors))
    assert errors[0] > 0.3
    assert errors[2] < 0.05


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: REPAINT(0), "num_resamples must be a whole number, at least 1, got 0"),
        (lambda: REPAINT(2, 0), "jump_length must be a whole number, at least 1, got 0"),
    ],
)
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()
