"""What follows from an estimate, and the one place where estimates are combined."""

import math

import pytest
import torch

from clarion.denoise import Estimate
from clarion.process import PROCESSES

DOUBLE = torch.float64


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_noise_and_score_of_a_perfect_estimate(name):
    """Where the mean is x0 itself, the noise is the noise and the score -noise / sigma."""
    process = PROCESSES[name]()
    t = torch.linspace(process.t_min, process.t_max, 7, dtype=DOUBLE)
    x0, noise = draw(7, 2, 3), draw(7, 2, 3, seed=1)
    x_t, estimate = process.perturb(x0, t, noise), Estimate(x0)
    # x_t - alpha x0 cancels at little noise: rounding / sigma, 2e-16 / 0.0015, and again / sigma.
    torch.testing.assert_close(estimate.noise(process, x_t, t), noise, rtol=0, atol=1e-11)
    score = -noise / process.sigma(t).reshape(-1, 1, 1)
    torch.testing.assert_close(estimate.score(process, x_t, t), score, rtol=1e-11, atol=1e-9)


@pytest.mark.parametrize("scale", [0.0, 1.0, 0.3, 3.0, -2.0])
def test_extrapolate(scale):
    start, end = Estimate(draw(4, 3)), Estimate(draw(4, 3, seed=1))
    actual = Estimate.extrapolate(start, end, scale).mean
    expected = start.mean + scale * (end.mean - start.mean)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)
    if scale in (0, 1):  # the ends themselves, bit for bit
        assert torch.equal(actual, (start, end)[int(scale)].mean)


def test_extrapolate_by_one_scale_a_sample():
    start, end = Estimate(draw(4, 3, 2)), Estimate(draw(4, 3, 2, seed=1))
    scale = torch.tensor([0.0, 1.0, 0.3, 3.0], dtype=DOUBLE)
    actual = Estimate.extrapolate(start, end, scale).mean
    for row, s in enumerate(scale.tolist()):
        assert torch.equal(actual[row], Estimate.extrapolate(start, end, s).mean[row])


def test_combine():
    means = [draw(4, 3, seed=s) for s in range(3)]
    kept = [mean.clone() for mean in means]
    weights = (0.5, -1.25, 1.75)
    actual = Estimate.combine([Estimate(mean) for mean in means], weights).mean
    expected = 0.5 * means[0] - 1.25 * means[1] + 1.75 * means[2]
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-14)
    assert all(torch.equal(mean, before) for mean, before in zip(means, kept, strict=True))


@pytest.mark.parametrize("name", sorted(PROCESSES))
def test_noise_and_score_of_a_combination_are_the_combinations(name):
    process = PROCESSES[name]()
    t = torch.linspace(process.t_min, process.t_max, 7, dtype=DOUBLE)
    x_t = draw(7, 3, seed=9)
    estimates, weights = [Estimate(draw(7, 3, seed=s)) for s in range(3)], (2.0, -1.5, 0.5)
    combined = Estimate.combine(estimates, weights)
    between = Estimate.extrapolate(estimates[0], estimates[1], 3.0)
    for quantity in (Estimate.noise, Estimate.score):
        parts = [quantity(e, process, x_t, t) for e in estimates]
        # Scores reach 1 / 0.0015² = 4e5: relative tolerance, and cancellation between the parts.
        close = {"rtol": 1e-12, "atol": 1e-14 * float(parts[0].abs().max()) + 1e-13}
        expected = sum(w * part for w, part in zip(weights, parts, strict=True))
        torch.testing.assert_close(quantity(combined, process, x_t, t), expected, **close)
        expected = parts[0] + 3 * (parts[1] - parts[0])
        torch.testing.assert_close(quantity(between, process, x_t, t), expected, **close)


@pytest.mark.parametrize("weights", [(1.0,), (1.0, 1.0), (), (math.nan, 1.0), (math.inf, -1.0)])
def test_combine_refuses_weights_that_do_not_add_up_to_one(weights):
    with pytest.raises(ValueError, match=r"2 weights must add up to 1, got"):
        Estimate.combine([Estimate(draw(1, 1)), Estimate(draw(1, 1))], weights)


def test_splitting_undoes_a_joint_evaluation():
    first, second = draw(3, 2), draw(3, 2, seed=1)
    parts = Estimate(torch.cat([first, second])).split([3, 3])
    assert torch.equal(parts[0].mean, first)
    assert torch.equal(parts[1].mean, second)
