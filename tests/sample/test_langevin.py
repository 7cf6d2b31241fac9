import math

import pytest
import torch
from gaussian_flow import MEAN, VARIANCE, observed_order, propagate

from clarion.process import GRIDS, VE
from clarion.sample import SAMPLERS


@pytest.mark.parametrize("delta", [0.02, 0.2, 1.0])
def test_variance_at_one_level_settles_where_it_is_derived(delta):
    # y <- (1 - delta k/2) y + sqrt(delta) s z with k = s² / (v + s²) has the stationary variance
    # delta s² / (1 - (1 - delta k/2)²) = (v + s²) / (1 - delta k/4).
    s = 2.0
    k = s**2 / (VARIANCE + s**2)
    settled = (VARIANCE + s**2) / (1 - delta * k / 4)
    sampler = SAMPLERS["annealed_langevin"](steps_per_level=20, step_size=delta)
    levels = [s * (1 + 1e-15), s]  # twice the same, but that a grid has to fall
    mean, variance = propagate(sampler, levels, MEAN, settled)
    torch.testing.assert_close(mean, MEAN, rtol=0, atol=1e-12)
    torch.testing.assert_close(variance, settled, rtol=1e-12, atol=0)
    # It draws nearer from elsewhere, by (1 - delta k/2)² in the variance at each of the 40 steps.
    _, from_below = propagate(sampler, levels, MEAN, settled / 2)
    expected = settled - settled / 2 * (1 - delta * k / 2) ** 80
    torch.testing.assert_close(from_below, expected, rtol=1e-12, atol=0)


def test_annealed_langevin_has_weak_order_1_in_its_step_size():
    # Against Langevin dynamics in continuous time over delta * steps = 1 at each level, where mean
    # and variance relax as exp(-k/2) and exp(-k).
    levels = [2.0, 1.0, 0.5]
    mean, variance = MEAN + 1, torch.full_like(MEAN, 9.0)
    for s in levels:
        k, settled = s**2 / (VARIANCE + s**2), VARIANCE + s**2
        mean = MEAN + (mean - MEAN) * torch.exp(-k / 2)
        variance = settled + (variance - settled) * torch.exp(-k)
    errors = []
    for steps in (64, 128):
        sampler = SAMPLERS["annealed_langevin"](steps_per_level=steps, step_size=1 / steps)
        actual = propagate(sampler, levels, MEAN + 1, torch.full_like(MEAN, 9.0))
        errors.append(
            [float((actual[0] - mean).abs().max()), float((actual[1] - variance).abs().max())]
        )
    for coarse, fine in zip(*errors, strict=True):
        assert observed_order([coarse, fine]) == pytest.approx(sampler.order, abs=0.1)


def test_one_step_is_algorithm_1():
    # x <- x + a/2 score + sqrt(a) z with a = epsilon s² / sigma_L².
    s, sigma_L, epsilon = 3.0, 0.01, 2e-5
    update = SAMPLERS["annealed_langevin"](step_size=epsilon / sigma_L**2).updates([s, 0.0])[0]
    step = epsilon * s**2 / sigma_L**2
    y, D, z = 1.7, 0.4, -0.6
    expected = y + step / 2 * (D - y) / s**2 + math.sqrt(step) * z
    actual = update.keep * y + update.weights[0] * D + update.noise * z
    assert actual == pytest.approx(expected, rel=1e-14)


def test_it_ends_with_a_denoising():
    update = SAMPLERS["annealed_langevin"]().updates([2.0, 0.5, 0.0])[-1]
    assert (update.level, update.keep, update.weights, update.noise) == (0.5, 0.0, (1.0,), 0.0)


def test_corrector_is_sized_by_the_expected_norms():
    # epsilon = 2 (snr |noise| / |score|)², and |score| = |noise| / s where noise prevails.
    updates = SAMPLERS["predictor_corrector"](snr=0.16).updates([4.0, 3.0, 0.0])
    assert [update.level for update in updates] == [4.0, 3.0, 3.0]
    assert updates[1].noise ** 2 == pytest.approx(2 * (2 * (0.16 * 3.0) ** 2) / 2, rel=1e-14)
    assert updates[1].weights[0] == pytest.approx(0.16**2, rel=1e-14)


def test_numbers_of_evaluations():
    times = GRIDS["log_snr_uniform"]()(VE(), 10)
    assert SAMPLERS["annealed_langevin"](steps_per_level=4).plan(VE(), times).num_evaluations == 41
    sampler = SAMPLERS["predictor_corrector"](corrector_steps=2)
    assert sampler.plan(VE(), times).num_evaluations == 28
