"""Densities through the flow against those in closed form, for every process."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from clarion.base.errors import ClarionError
from clarion.base.streams import SampleStreams
from clarion.denoise.exact import GaussianDenoiser, MixtureDenoiser
from clarion.evaluate.likelihood import log_density, random_signs, unit_vectors
from clarion.process.gaussian import GaussianProcess
from clarion.process.tables import PROCESSES
from clarion.process.tokens import Masking

DOUBLE = torch.float64
GAUSSIAN = {name: p() for name, p in PROCESSES.items() if issubclass(p, GaussianProcess)}
MEAN = torch.tensor([0.5, -1.0, 0.2], dtype=DOUBLE)
COVARIANCE = torch.tensor([[1.0, 0.6, 0.1], [0.6, 0.8, -0.2], [0.1, -0.2, 0.3]], dtype=DOUBLE)
POINTS = torch.randn(5, 3, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)


def levels(process: GaussianProcess) -> tuple[float, float]:
    ends = torch.tensor([process.t_min, process.t_max], dtype=DOUBLE)
    first, last = process.noise_level(ends).tolist()
    return first, last


def mixture(process: GaussianProcess) -> MixtureDenoiser:
    """Of mean 0, as the noise from which samplers start."""
    means = torch.tensor([[-1.2, 0.0], [1.2, 0.4], [1.2, -0.6]], dtype=DOUBLE)
    return MixtureDenoiser(process, [0.5, 0.3, 0.2], means, [0.05, 0.1, 0.2])


def exact(denoiser: MixtureDenoiser, points: Tensor) -> Tensor:
    """log p(x_0 + s noise) at the level s of t_min, by the denoiser's own formula for x_t."""
    process = denoiser.process
    t = torch.tensor(process.t_min, dtype=DOUBLE)
    alpha = process.alpha(t)
    log_p = denoiser.log_density(alpha * points, t.expand(len(points)))
    return log_p + points.shape[1] * alpha.log()


@pytest.mark.parametrize("name", GAUSSIAN)
def test_normal_data_in_closed_form(name: str) -> None:
    """The flow takes each direction of variance v from y to m + (y - m) sqrt((v + s²) / (v + S²)),
    so what samplers start from, N(0, S² I), becomes a normal distribution that is known exactly."""
    process = GAUSSIAN[name]
    s, last = levels(process)
    variances, axes = torch.linalg.eigh(COVARIANCE)
    ratios = ((variances + s**2) / (variances + last**2)).sqrt()
    shrink = axes @ torch.diag(ratios) @ axes.mT
    truth = MultivariateNormal(MEAN - shrink @ MEAN, last**2 * shrink @ shrink)
    denoiser = GaussianDenoiser(process, MEAN, COVARIANCE)
    found = log_density(denoiser, POINTS, unit_vectors(POINTS), num_steps=128)
    torch.testing.assert_close(found.mean(0), truth.log_prob(POINTS), rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", GAUSSIAN)
def test_a_mixture(name: str) -> None:
    """Up to what the noise at t_max differs from noisy data there, some v / S²."""
    denoiser, points = mixture(GAUSSIAN[name]), POINTS[:, :2]
    found = log_density(denoiser, points, unit_vectors(points), num_steps=400).mean(0)
    _, last = levels(GAUSSIAN[name])
    torch.testing.assert_close(found, exact(denoiser, points), rtol=0, atol=1e-5 + 20 / last**2)


def test_the_error_falls_with_the_fourth_power_of_the_step() -> None:
    denoiser, points = mixture(GAUSSIAN["edm"]), POINTS[:, :2]
    probes = unit_vectors(points)
    n = (80, 160, 640)
    *found, finest = (log_density(denoiser, points, probes, num_steps=k).mean(0) for k in n)
    coarse, fine = (float((values - finest).abs().mean()) for values in found)
    assert math.log2(coarse / fine) == pytest.approx(4, abs=0.4)


def test_random_signs_have_the_trace_right_on_average_and_know_their_error() -> None:
    denoiser = GaussianDenoiser(GAUSSIAN["edm"], MEAN, COVARIANCE)
    points, n = POINTS[:1].expand(400, 3), 400
    truth = log_density(denoiser, points[:1], unit_vectors(points[:1])).mean()
    probes = random_signs(2, points, SampleStreams(0, range(n)))
    assert set(probes.unique().tolist()) == {-1.0, 1.0}
    found = log_density(denoiser, points, probes)
    error = found.std() / math.sqrt(2 * n)
    assert error > 1e-3  # the covariance is not diagonal, so the trace is not exact
    assert abs(found.mean() - truth) < 3 * error
    within = found.var(0).mean()  # of the probes of one point, as of all
    assert float(within / found.var()) == pytest.approx(1, abs=0.2)


def test_they_are_exact_where_nothing_is_correlated() -> None:
    denoiser = GaussianDenoiser(GAUSSIAN["flow"], MEAN, torch.diag(COVARIANCE.diag()))
    probes = random_signs(1, POINTS, SampleStreams(0, range(5)))
    torch.testing.assert_close(
        log_density(denoiser, POINTS, probes)[0],
        log_density(denoiser, POINTS, unit_vectors(POINTS)).mean(0),
    )


def test_it_integrates_to_one() -> None:
    """As a sum over a grid."""
    denoiser = MixtureDenoiser(GAUSSIAN["vp_cosine"], [0.7, 0.3], [[-1.0], [1.0]], [0.1, 0.2])
    points = torch.linspace(-8, 8, 401, dtype=DOUBLE)[:, None]
    found = log_density(denoiser, points, unit_vectors(points), num_steps=100).mean(0)
    assert float(found.exp().sum() * 16 / 400) == pytest.approx(1, abs=1e-4)


def test_evaluations_and_gradients_are_counted() -> None:
    denoiser = GaussianDenoiser(GAUSSIAN["edm"], MEAN, COVARIANCE)
    log_density(denoiser, POINTS, unit_vectors(POINTS), num_steps=3)
    assert denoiser.num_evaluations == 3 * 4 * 5
    assert denoiser.num_gradients == 3 * 4 * 5 * 3


def test_what_cannot_be_asked() -> None:
    denoiser = GaussianDenoiser(GAUSSIAN["edm"], MEAN, COVARIANCE)
    with pytest.raises(ClarionError, match="num_steps must be at least 1, got 0"):
        log_density(denoiser, POINTS, unit_vectors(POINTS), num_steps=0)
    denoiser.process = Masking(5)
    with pytest.raises(ClarionError, match="A flow leads to numbers, and Masking"):
        log_density(denoiser, POINTS, unit_vectors(POINTS))
