"""Rules that steer by a measurement: their scores and their samples against linear algebra."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

from clarion.base.errors import ClarionError, SamplingError
from clarion.base.normalizer import Normalizer
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide import SampleSpace
from clarion.guide.measurement import DPS, MEASURED, MMPS, PiGDM
from clarion.guide.measurement.operators import Downsample, FourierMask, Mask, Matrix, NonLinear
from clarion.process import VE, Flow, VPCosine
from clarion.sample import SAMPLERS, sample
from clarion.verify.gaussian_flow import log_uniform_levels, propagate

GENERATOR = torch.Generator().manual_seed(0)


def normal(*shape):
    return torch.randn(*shape, dtype=torch.float64, generator=GENERATOR)


MEAN, ROOT, A, Y = normal(4), normal(4, 4), normal(2, 4), normal(2)
SIGMA, EYE, SIGMA_Y = ROOT @ ROOT.mT, torch.eye(4, dtype=torch.float64), 0.3
PROCESSES = [VE(), Flow(), VPCosine()]
LEVELS = torch.logspace(-1.5, 1.5, 6, dtype=torch.float64)

COVARIANCES = {
    "dps": lambda s2, C: 0 * EYE[:2, :2],
    "gamma": lambda s2, C: 0.7 * s2 * EYE[:2, :2],
    "pigdm": lambda s2, C: s2 / (1 + s2) * A @ A.mT,
    "mmps": lambda s2, C: A @ C @ A.mT,
}
"""What each rule adds to the noise of the measurement, given s² and Cov(x0 | x_t)."""

RULES = {
    "dps": DPS(Y, Matrix(A), SIGMA_Y),
    "gamma": DPS(Y, Matrix(A), SIGMA_Y, gamma=0.7),
    "pigdm": PiGDM(Y, Matrix(A), SIGMA_Y),
    "mmps": MMPS(Y, Matrix(A), SIGMA_Y),
}


def noisy_points(process):
    t = process.time_of_noise_level(LEVELS)
    return process.perturb(MEAN + normal(6, 4) @ ROOT.mT, t, normal(6, 4)), t


def assumed_score(name, process, x, t):
    """grad log p(x_t) + grad log N(y; A D, S), one point at a time, by autograd."""
    alpha, sigma = process.alpha(t), process.sigma(t)
    marginal = alpha**2 * SIGMA + sigma**2 * EYE
    gain = alpha * SIGMA @ torch.linalg.inv(marginal)
    s2, C = sigma**2 / alpha**2, SIGMA - alpha * gain @ SIGMA
    S = COVARIANCES[name](s2, C) + SIGMA_Y**2 * EYE[:2, :2]
    x = x.clone().requires_grad_()
    D = MEAN + gain @ (x - alpha * MEAN)
    total = MultivariateNormal(alpha * MEAN, marginal).log_prob(x)
    total = total + MultivariateNormal(A @ D, S).log_prob(Y)
    return torch.autograd.grad(total, x)[0]


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("name", list(RULES))
def test_the_score_is_that_of_the_assumed_likelihood(name, process):
    x_t, t = noisy_points(process)
    steered = RULES[name](GaussianDenoiser(process, MEAN, SIGMA))
    expected = torch.stack([assumed_score(name, process, *at) for at in zip(x_t, t, strict=True)])
    actual = steered(x_t, t).score(process, x_t, t)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)
    alone = torch.cat([steered(x_t[i : i + 1], t[i : i + 1]).mean for i in range(6)])
    torch.testing.assert_close(alone, steered(x_t, t).mean, rtol=0, atol=1e-12)


def test_every_rule_of_the_table_is_held_against_its_score():
    assert {type(rule) for rule in RULES.values()} == set(MEASURED.values())


@pytest.mark.parametrize("process", PROCESSES, ids=lambda p: type(p).__name__)
def test_moment_matching_is_exact_on_gaussian_data(process):
    prior = GaussianDenoiser(process, MEAN, SIGMA)
    x_t, t = noisy_points(process)
    expected = prior.given_measurement(A, Y, SIGMA_Y)(x_t, t).mean
    torch.testing.assert_close(RULES["mmps"](prior)(x_t, t).mean, expected, rtol=0, atol=1e-10)


def test_gradients_are_counted():
    x_t, t = noisy_points(VE())
    counts = []
    for rule in (RULES["dps"], RULES["pigdm"], MMPS(Y, Matrix(A), SIGMA_Y, num_iterations=1)):
        prior = GaussianDenoiser(VE(), MEAN, SIGMA)
        rule(prior)(x_t, t)
        counts.append((prior.num_evaluations, prior.num_gradients))
    assert counts == [(6, 6), (6, 6), (6, 12)]


def test_dps_takes_operators_that_are_not_linear():
    x_t, t = noisy_points(VE())
    prior = GaussianDenoiser(VE(), MEAN, SIGMA)
    steered = DPS(Y, NonLinear(lambda x: (x**2 @ A.mT).sin()), SIGMA_Y)(prior)
    x = x_t.clone().requires_grad_()
    D = prior(x, t).mean
    misfit = ((Y - (D**2 @ A.mT).sin()) ** 2).sum() / (2 * SIGMA_Y**2)
    expected = prior(x_t, t).score(VE(), x_t, t) - torch.autograd.grad(misfit, x)[0]
    actual = steered(x_t, t).score(VE(), x_t, t)
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


# What a value of N(0, v), seen as y = x0 + sigma_y noise with a = sigma_y², becomes under the
# probability flow. With w = s², 1 - gain of the steered estimate is linear in the likelihood's
# weight, and the logarithm of the variance falls by its integral over w.


def samples_of(rule, variance, y):
    """Mean and variance of what Heun's method makes of the steered estimate, exactly."""
    process = VE(sigma_min=1e-4, sigma_max=1e4)
    prior = GaussianDenoiser(process, [0.0], [[variance]])
    steered = rule(torch.tensor([y], dtype=torch.float64))(prior)

    def estimate(level):
        t = process.time_of_noise_level(torch.full((2,), level, dtype=torch.float64))
        offset, end = steered(torch.tensor([[0.0], [1.0]], dtype=torch.float64), t).mean
        return end - offset, offset

    levels = log_uniform_levels(9e3, 2e-4, 600)
    start = torch.tensor([levels[0] ** 2 + variance], dtype=torch.float64)
    mean, var = propagate(SAMPLERS["heun"](), levels, estimate, torch.zeros(1).double(), start)
    return float(mean), float(var)


ONE = Matrix(torch.ones(1, 1, dtype=torch.float64))


def integral(f):
    """Of f over w in [0, infinity), by the midpoint rule in w = tan(angle)²."""
    n = 200_000
    angle = (torch.arange(n, dtype=torch.float64) + 0.5) * (math.pi / 2 / n)
    w = angle.tan() ** 2
    return float((f(w) * 2 * angle.tan() / angle.cos() ** 2).sum() * (math.pi / 2 / n))


@pytest.mark.parametrize("sigma_y", [0.6, 1.0])
def test_dps_varies_too_little_by_the_factor_that_is_derived(sigma_y):
    a, y = sigma_y**2, 1.7
    mean, variance = samples_of(lambda y: DPS(y, ONE, sigma_y), 1.0, y)
    assert variance == pytest.approx(math.exp(-1 / a), rel=2e-3)
    assert variance < a / (1 + a) * 0.8  # the variance of the posterior
    p = (torch.arange(10_000, dtype=torch.float64) + 0.5) / 10_000
    # sqrt(2/a) times Dawson's integral at 1 / sqrt(2 a)
    share = float(((p**2 - 1) / (2 * a)).exp().mean()) / a
    assert mean == pytest.approx(y * share, rel=2e-3)
    assert abs(share - 1 / (1 + a)) > 0.05


def test_a_gamma_mends_most_of_it_but_not_all():
    sigma_y, gamma = 0.6, 1.0
    a, b = sigma_y**2, sigma_y**2 - gamma
    _, variance = samples_of(lambda y: DPS(y, ONE, sigma_y, gamma=gamma), 1.0, 0.0)
    expected = math.exp(-(1 / b + gamma / b**2 * math.log(gamma / a)))
    assert variance == pytest.approx(expected, rel=2e-3)
    exact = a / (1 + a)
    assert exact < variance < 2 * exact
    assert abs(math.log(variance / exact)) < abs(math.log(math.exp(-1 / a) / exact))


@pytest.mark.parametrize("v", [0.25, 1.0, 4.0])
def test_pigdm_takes_all_data_to_be_of_variance_1(v):
    sigma_y = 0.5
    a, y = sigma_y**2, 1.7
    mean, variance = samples_of(lambda y: PiGDM(y, ONE, sigma_y), v, y)
    fall = integral(lambda w: v**2 * (1 + w) / ((v + w) ** 2 * (w + a * (1 + w))))
    assert variance == pytest.approx(v * math.exp(-fall), rel=2e-3)
    exact = v * a / (v + a)
    if v == 1:
        assert (mean, variance) == (
            pytest.approx(y / (1 + a), rel=2e-3),
            pytest.approx(exact, 2e-3),
        )
    else:  # what varies more than 1 is trusted to be known better than it is
        assert (variance > 1.05 * exact) if v < 1 else (variance < 0.95 * exact)


def test_moment_matching_has_the_moments_of_the_posterior():
    v, a, y = 4.0, 0.25, 1.7
    mean, variance = samples_of(lambda y: MMPS(y, ONE, 0.5), v, y)
    assert mean == pytest.approx(y * v / (v + a), rel=2e-3)
    assert variance == pytest.approx(v * a / (v + a), rel=2e-3)


def test_a_measurement_is_in_data_units():
    normalizer = Normalizer(mean=(0.5, -1.0), std=(0.2, 3.0))
    space = SampleSpace((2, 3), normalizer)
    y = torch.tensor([[0.6], [1.5]], dtype=torch.float64)
    root = normal(6, 6)
    prior = GaussianDenoiser(Flow(), torch.zeros(6), root @ root.mT)
    x_t, t = normal(5, 2, 3), torch.linspace(0.1, 0.9, 5, dtype=torch.float64)
    actual = MMPS(y, Downsample(3), 0.1).bind(space)(prior)(x_t, t).mean
    # Each channel's mean in model units, measured with noise in data units.
    means = torch.block_diag(*[torch.full((1, 3), 1 / 3, dtype=torch.float64)] * 2)
    std, mean = torch.tensor([[0.2, 3.0], [0.5, -1.0]], dtype=torch.float64)
    posterior = prior.given_measurement(std.unsqueeze(1) * means, y.flatten() - mean, 0.1)
    torch.testing.assert_close(actual, posterior(x_t, t).mean, rtol=0, atol=1e-9)


def test_derivatives_of_what_is_not_linear_are_in_data_units_too():
    space = SampleSpace((2, 3), Normalizer(mean=(0.5, -1.0), std=(0.2, 3.0)))
    y, square = torch.full((2, 3), 0.7, dtype=torch.float64), NonLinear(lambda x: x**2)
    prior = GaussianDenoiser(VE(), torch.zeros(6), torch.eye(6))
    x_t, t = normal(5, 2, 3), torch.linspace(0.4, 0.9, 5, dtype=torch.float64)
    actual = DPS(y, square, 0.5).bind(space)(prior)(x_t, t).score(VE(), x_t, t)
    x = x_t.clone().requires_grad_()
    misfit = ((y - space.decode(prior(x, t).mean) ** 2) ** 2).sum() / (2 * 0.5**2)
    expected = prior(x_t, t).score(VE(), x_t, t) - torch.autograd.grad(misfit, x)[0]
    torch.testing.assert_close(actual, expected, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize(
    ("operator", "shape"),
    [(Mask(torch.tensor([1.0, 0.0, 1.0, 0.0])), (4,)), (FourierMask(0.4, seed=3), (1, 4, 4))],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("kind", [DPS, PiGDM, MMPS])
def test_what_is_hidden_in_a_measurement_is_not_read(kind, operator, shape):
    generator = torch.Generator().manual_seed(0)
    size = math.prod(shape)
    x_t = torch.randn(3, *shape, dtype=torch.float64, generator=generator)
    t = torch.tensor([0.2, 0.5, 0.8], dtype=torch.float64)
    prior = GaussianDenoiser(
        VE(), torch.zeros(size, dtype=torch.float64), torch.eye(size, dtype=torch.float64)
    )
    y = operator(torch.randn(1, *shape, dtype=torch.float64, generator=generator))[0]
    whole = torch.where(y == 0, 5.0, y)
    assert (whole != y).any()
    means = [
        kind(v, operator, 0.1).bind(SampleSpace(shape))(prior)(x_t, t).mean for v in (y, whole)
    ]
    torch.testing.assert_close(means[1], means[0], rtol=0, atol=1e-12)


class Doubled(Matrix):
    """A matrix with a false adjoint."""

    def adjoint(self, v, shape):
        return 2 * super().adjoint(v, shape)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (
            lambda: PiGDM(Y, Doubled(A), 0.1).bind(SampleSpace((4,))),
            "Doubled has another adjoint: <A x, v> is",
        ),
        (lambda: DPS(Y, Matrix(A), 0.0), r"sigma_y must be a finite number above 0, got 0\.0"),
        (lambda: DPS(Y / 0, Matrix(A), 0.1), "y of DPS must be finite numbers"),
        (lambda: DPS(Y.long(), Matrix(A), 0.1), "of a floating-point type"),
        (lambda: DPS(Y, Matrix(A), 0.1, gamma=-1.0), "gamma must be a finite number at least 0"),
        (lambda: MMPS(Y, NonLinear(torch.sin), 0.1), "MMPS needs a linear operator, got sin"),
        (
            lambda: PiGDM(Y, Matrix(A), 0.1, num_iterations=0),
            "num_iterations must be a whole number",
        ),
        (lambda: MMPS(Y, Matrix(A), 0.1, num_iterations=2.5), "at least 1, got 2.5"),
        (
            lambda: MMPS(Y, "downsample:4", 0.1),
            "operator of MMPS must be an Operator .*'downsample",
        ),
        (lambda: DPS([1.0], Matrix(A), 0.1), r"y of DPS must be a tensor, got \[1\.0\]"),
        (lambda: DPS(Y, Matrix(A), "0.1"), "sigma_y must be a finite number above 0, got '0"),
        (
            lambda: PiGDM(Y, Mask(torch.ones(4)), 0.1).bind(SampleSpace((4,))),
            r"y must have shape \(4,\), which is what Mask makes of samples of shape \(4,\); "
            r"got \(2,\)",
        ),
        (
            lambda: DPS(Y, Matrix(A), 0.1).bind(SampleSpace((5,))),
            r"A has shape \(2, 4\), and a sample \(5,\)",
        ),
    ],
)
def test_what_does_not_fit_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda: 0, r"fails on samples of shape \(4,\): TypeError: .*takes 0 positional"),
        (lambda x: {}["key"], r"fails on samples of shape \(4,\): KeyError: 'key'\.$"),
        (lambda x: x.tolist(), "must give a tensor with a row for each of 2 samples, got a list"),
        (lambda x: x.sum(), r"must give a tensor with a row for each of 2 samples, got \(\)"),
        (lambda x: x - x.mean(), "must not depend on the others"),
        (lambda x: x + torch.randn(4), "must not be random"),
        (lambda x: (x - 10).log(), "must give numbers, got NaN"),
        (lambda x: 1 / (0 * x), "must be finite, got infinity"),
        (lambda x: x.detach()[:, :2], "has no gradient: its results do not follow"),
        (lambda x: x.abs().pow(0.5) * 0 + (0 * x).sqrt(), "gradient of the operator .* not finite"),
    ],
)
def test_operators_of_ones_own_are_tried_before_sampling(fn, message):
    with pytest.raises(ClarionError, match=message) as caught:
        DPS(Y, NonLinear(fn), 0.1).bind(SampleSpace((4,)))
    assert "operator test_rules.py#<lambda>" in str(caught.value)


def test_a_measurement_of_another_shape_names_the_function():
    with pytest.raises(ClarionError, match=r"which is what test_rules\.py#<lambda> makes"):
        DPS(Y, NonLinear(lambda x: x[:, :3]), 0.1).bind(SampleSpace((4,)))


def test_steering_beyond_all_numbers_is_blamed_on_the_measurement():
    """Steps of 1 / sigma_y² along the slope of x⁴ grow without end."""
    rule = DPS(Y.float(), NonLinear(lambda x: x[:, :2] ** 4), 1e-3).bind(SampleSpace((4,)))
    prior = GaussianDenoiser(VE(), torch.zeros(4), torch.eye(4))
    with pytest.raises(SamplingError, match=r"steering by the measurement .* sigma_y 0\.001"):
        sample(rule(prior), (4,), n=2, num_steps=20)
