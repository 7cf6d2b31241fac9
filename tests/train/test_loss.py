"""Losses against the algebra of their targets and the posterior variance of Gaussian data."""

import math

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.denoise.exact import GaussianDenoiser
from clarion.process import EDM, PROCESSES, Flow, VPCosine, VPLinear
from clarion.run.config import LossConfig
from clarion.train.levels import NOISE_LEVELS
from clarion.train.loss import WEIGHTINGS, DenoisingLoss

DOUBLE = torch.float64


class Wrong(Denoiser):
    """Misses the clean data by what it is told to."""

    def __init__(self, process, x0, error):
        super().__init__(process)
        self.x0, self.error = x0, error

    def estimate(self, x_t, t, condition):
        return Estimate(self.x0 + self.error)


def draw(*shape, seed=0):
    return torch.randn(*shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(seed))


def times(process, n=9):
    return torch.linspace(process.t_min, process.t_max, n, dtype=DOUBLE)


def losses(weighting, process, sigma_data, t, x0, noise, error):
    loss = DenoisingLoss(LossConfig(weighting=weighting), process, sigma_data)
    return loss(Wrong(process, x0, error), x0, t, noise, None)


def column(per_sample):
    return per_sample[:, None, None]


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("d", [1.0, 0.5])
def test_noise_is_the_squared_error_of_the_noise(name, d):
    """The noise that the wrong estimate implies: (x_t - alpha x0) / sigma. Any process, any data.

    Its rounding error is 1e-16 alpha / sigma, of an error of the same size as the data.
    """
    process = PROCESSES[name]()
    t, x0, noise, error = times(process), d * draw(9, 2, 3), draw(9, 2, 3, seed=1), draw(9, 2, 3)
    alpha, sigma = column(process.alpha(t)), column(process.sigma(t))
    implied = (alpha * x0 + sigma * noise - alpha * (x0 + error)) / sigma
    expected = (implied - noise).square().mean((1, 2))
    torch.testing.assert_close(
        losses("noise", process, d, t, x0, noise, error), expected, rtol=1e-9, atol=0
    )


@pytest.mark.parametrize("process", [VPLinear(), VPCosine()])
def test_v_is_the_squared_error_of_the_velocity(process):
    """v = alpha noise - sigma x0, with the noise that a wrong x0 implies for the same x_t."""
    t, x0, noise, error = (
        times(process),
        draw(9, 2, 3),
        draw(9, 2, 3, seed=1),
        draw(9, 2, 3, seed=2),
    )
    alpha, sigma = column(process.alpha(t)), column(process.sigma(t))
    implied = (alpha * x0 + sigma * noise - alpha * (x0 + error)) / sigma
    given = alpha * implied - sigma * (x0 + error)
    expected = (given - (alpha * noise - sigma * x0)).square().mean((1, 2))
    actual = losses("v", process, 1.0, t, x0, noise, error)
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=0)


def test_flow_is_the_squared_error_of_the_straight_velocity():
    process = Flow()
    t, x0, noise, error = (
        times(process),
        draw(9, 2, 3),
        draw(9, 2, 3, seed=1),
        draw(9, 2, 3, seed=2),
    )
    alpha, sigma = column(process.alpha(t)), column(process.sigma(t))
    implied = (alpha * x0 + sigma * noise - alpha * (x0 + error)) / sigma
    expected = ((implied - (x0 + error)) - (noise - x0)).square().mean((1, 2))
    actual = losses("flow", process, 1.0, t, x0, noise, error)
    torch.testing.assert_close(actual, expected, rtol=1e-8, atol=0)


@pytest.mark.parametrize("d", [1.0, 0.5])
def test_edm_is_the_squared_error_of_what_its_network_predicts(d):
    """Karras et al. 2022, table 1: F = (x0 - c_skip x) / c_out, c_out = s d / sqrt(s² + d²)."""
    process = EDM()
    t, x0, noise, error = times(process), d * draw(9, 2, 3), draw(9, 2, 3, seed=1), draw(9, 2, 3)
    s = column(process.sigma(t))
    expected = (error / (s * d / (s**2 + d**2).sqrt())).square().mean((1, 2))
    torch.testing.assert_close(
        losses("edm", process, d, t, x0, noise, error), expected, rtol=1e-12, atol=0
    )


@pytest.mark.parametrize("name", PROCESSES)
def test_the_other_weightings(name):
    process, d = PROCESSES[name](), 0.5
    t, x0, noise, error = (
        times(process),
        draw(9, 2, 3),
        draw(9, 2, 3, seed=1),
        draw(9, 2, 3, seed=2),
    )
    square = (error / d).square().mean((1, 2))
    snr = (d * process.alpha(t) / process.sigma(t)) ** 2
    five, one = torch.full_like(snr, 5.0), torch.ones_like(snr)
    for weighting, weight in (
        ("x0", one),
        ("min_snr", torch.minimum(snr, five)),
        ("truncated", torch.maximum(snr, one)),
        ("v", (1 + d**2 * process.alpha(t) ** 2 / process.sigma(t) ** 2)),
    ):
        actual = losses(weighting, process, d, t, x0, noise, error)
        torch.testing.assert_close(actual, weight * square, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("weighting", WEIGHTINGS)
def test_the_best_denoiser_of_gaussian_data_has_the_posterior_variance_for_its_loss(
    name, weighting
):
    """Exact, without drawing: D - x0 is linear in x0 = d a and noise b with a, b ~ N(0, 1).

    So its expected square is that at (a, b) = (1, 0) plus that at (0, 1). It must be the posterior
    variance (1 / d² + alpha² / sigma²)⁻¹; under "edm" that makes a loss of 1 at every time.
    """
    process, d = PROCESSES[name](), 0.7
    denoiser = GaussianDenoiser(process, [0.0], [[d**2]])
    loss, t = DenoisingLoss(LossConfig(weighting=weighting), process, d), times(process)
    one, zero = torch.ones(9, 1, dtype=DOUBLE), torch.zeros(9, 1, dtype=DOUBLE)
    expected_loss = loss(denoiser, d * one, t, zero, None) + loss(denoiser, zero, t, one, None)
    variance = 1 / (1 / d**2 + (process.alpha(t) / process.sigma(t)) ** 2)
    torch.testing.assert_close(expected_loss, loss.weight(t) * variance, rtol=1e-9, atol=0)
    if weighting == "edm":
        torch.testing.assert_close(expected_loss, one[:, 0], rtol=1e-9, atol=0)


def test_the_loss_of_a_sample_is_its_own():
    process, t, x0, noise = Flow(), torch.full((4,), 0.3, dtype=DOUBLE), draw(4, 2), draw(4, 2)
    denoiser = GaussianDenoiser(process, [0.0, 1.0], [[1.0, 0.5], [0.5, 2.0]])
    loss = DenoisingLoss(LossConfig(), process, 1.0)
    expected = loss(denoiser, x0, t, noise, None)
    x0, t, noise = x0.clone(), t.clone(), noise.clone()
    x0[3], t[3], noise[3] = 50.0, 0.9, -3.0
    actual = loss(denoiser, x0, t, noise, None)
    assert torch.equal(actual[:3], expected[:3])
    assert actual[3] != expected[3]


ONE_SIGMA = 0.841344746068543  # the standard normal distribution function at 1


@pytest.mark.parametrize("process", [EDM(), VPCosine(), Flow()])
@pytest.mark.parametrize("d", [1.0, 0.5])
def test_lognormal_levels_have_their_quantiles(process, d):
    config = LossConfig(log_level_mean=-0.4, log_level_std=0.9)
    u = torch.tensor([1 - ONE_SIGMA, 0.5, ONE_SIGMA], dtype=DOUBLE)
    levels = process.noise_level(DenoisingLoss(config, process, d).times(u))
    expected = d * torch.tensor([-1.3, -0.4, 0.5], dtype=DOUBLE).exp()
    torch.testing.assert_close(levels, expected, rtol=1e-9, atol=0)


@pytest.mark.parametrize("name", PROCESSES)
def test_uniform_levels_have_their_quantiles(name):
    process, u = PROCESSES[name](), torch.tensor([0.0, 0.25, 0.5, 1.0], dtype=DOUBLE)
    t = DenoisingLoss(LossConfig(levels="time_uniform"), process, 1.0).times(u)
    expected = process.t_min * (1 - u) + process.t_max * u
    torch.testing.assert_close(t, expected, rtol=0, atol=1e-15)
    t = DenoisingLoss(LossConfig(levels="log_snr_uniform"), process, 1.0).times(u)
    high, low = process.log_snr(torch.tensor([process.t_min, process.t_max], dtype=DOUBLE))
    torch.testing.assert_close(process.log_snr(t), high * (1 - u) + low * u, rtol=0, atol=1e-8)


@pytest.mark.parametrize("name", PROCESSES)
@pytest.mark.parametrize("levels", NOISE_LEVELS)
def test_levels_stay_where_the_process_is_defined(name, levels):
    """Whatever the distribution says; within a rounding of float32, in which times are used."""
    process = PROCESSES[name]()
    loss = DenoisingLoss(LossConfig(levels=levels, log_level_std=30.0), process, 1.0)
    t = loss.times(torch.linspace(1e-6, 1 - 1e-6, 50))
    assert t.dtype == torch.float32
    assert t.min() >= process.t_min - 1e-7
    assert t.max() <= process.t_max + 1e-7
    assert loss.weight(t).isfinite().all()


def test_stratified_times_have_one_in_each_cell():
    process = Flow()
    loss = DenoisingLoss(LossConfig(levels="time_uniform"), process, 1.0)
    orders = []
    for seed in range(3):
        torch.manual_seed(seed)
        u = (loss.stratified_times(32) - process.t_min) / (process.t_max - process.t_min)
        cells = torch.floor(u.double() * 32 + 1e-5).long()
        assert cells.sort().values.tolist() == list(range(32))
        orders.append(cells.tolist())
    assert orders[0] != orders[1] != orders[2]
    assert orders[0] != sorted(orders[0])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"weighting": "nosie"}, r"Unknown weighting 'nosie'\. Did you mean 'noise'"),
        ({"levels": "log_normal"}, "Did you mean 'lognormal'"),
        ({"log_level_std": 0.0}, "log_level_std above 0, got -0.5 and 0.0"),
        ({"log_level_mean": math.nan}, "log_level_mean must be finite"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ClarionError, match=message):
        DenoisingLoss(LossConfig(**settings), EDM(), 1.0)
