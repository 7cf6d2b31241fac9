"""Exact denoisers against Tweedie's formula, quadrature and torch's own distributions."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

from clarion.base.condition import encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise.exact import GaussianDenoiser, MixtureDenoiser, SubspaceDenoiser
from clarion.process import PROCESSES, Flow

DOUBLE = torch.float64
PROCESS_NAMES = sorted(PROCESSES)

WEIGHTS = [0.2, 0.35, 0.1, 0.35]
MEANS = [[-2.0, 0.5, 0.0], [1.0, 1.0, -1.0], [0.0, -2.0, 2.0], [3.0, 0.0, 0.3]]
LABELS = [0, 1, 0, 2]


def double(values):
    return torch.tensor(values, dtype=DOUBLE)


def random_covariances(*stack, dim=3, seed=0):
    root = torch.randn(*stack, dim, dim, dtype=DOUBLE, generator=torch.manual_seed(seed))
    return root @ root.mT + 0.05 * torch.eye(dim, dtype=DOUBLE)


COVARIANCES = random_covariances(4)


def mixture(process, covariances=COVARIANCES, labels=LABELS):
    return MixtureDenoiser(process, WEIGHTS, MEANS, covariances, labels=labels)


def times(process, n):
    """Mixed times of one batch, both ends included."""
    return torch.linspace(process.t_min, process.t_max, n, dtype=DOUBLE)


def observations(process, denoiser, n=9, seed=1):
    generator = torch.Generator().manual_seed(seed)
    t = times(process, n)
    x0 = denoiser.sample(n, generator)
    noise = torch.randn(x0.shape, generator=generator, dtype=DOUBLE)
    return process.perturb(x0, t, noise), t


def tweedie(process, log_density, x_t, t):
    """alpha E[x0 | x_t] = x_t + sigma² grad log p(x_t), by autograd."""
    x_t = x_t.clone().requires_grad_()
    (score,) = torch.autograd.grad(log_density(x_t).sum(), x_t)
    alpha, sigma = process.alpha(t).unsqueeze(1), process.sigma(t).unsqueeze(1)
    return alpha, x_t.detach() + sigma**2 * score


def torch_mixture(process, t, keep):
    """The noisy marginal of each row in torch.distributions; keep: (batch, components) bool."""
    alpha, sigma = (c.reshape(-1, 1, 1) for c in (process.alpha(t), process.sigma(t)))
    covariances = alpha.unsqueeze(3) ** 2 * COVARIANCES
    covariances = covariances + sigma.unsqueeze(3) ** 2 * torch.eye(3, dtype=DOUBLE)
    return MixtureSameFamily(
        Categorical(logits=(double(WEIGHTS) * keep).log(), validate_args=False),
        MultivariateNormal(alpha * double(MEANS), covariances),
        validate_args=False,
    )


# Tolerance of all comparisons below: float64 arithmetic on numbers of size up to the largest noise
# level, 100, leaves 1e-14 relative; the reference's Cholesky factors lose up to the condition
# number of alpha² Sigma + sigma² I, here below 1e3 times that.
CLOSE = {"rtol": 1e-10, "atol": 1e-10}


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_gaussian_against_tweedie(name):
    process = PROCESSES[name]()
    mean, covariance = double([0.5, -1.0, 2.0]), random_covariances()
    denoiser = GaussianDenoiser(process, mean, covariance)
    x_t, t = observations(process, denoiser)
    a, s = process.alpha(t).reshape(-1, 1, 1), process.sigma(t).reshape(-1, 1, 1)
    marginal = MultivariateNormal(a[:, 0] * mean, a**2 * covariance + s**2 * torch.eye(3))
    alpha, expected = tweedie(process, marginal.log_prob, x_t, t)
    torch.testing.assert_close(alpha * denoiser(x_t, t).mean, expected, **CLOSE)
    torch.testing.assert_close(denoiser.log_density(x_t, t), marginal.log_prob(x_t), **CLOSE)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_gaussian_against_the_equation_with_an_inverse(name):
    process = PROCESSES[name]()
    mean, covariance = double([0.5, -1.0, 2.0]), random_covariances()
    denoiser = GaussianDenoiser(process, mean, covariance)
    x_t, t = observations(process, denoiser)
    for x, when, actual in zip(x_t, t, denoiser(x_t, t).mean, strict=True):
        alpha, sigma = process.alpha(when), process.sigma(when)
        inverse = torch.linalg.inv(alpha**2 * covariance + sigma**2 * torch.eye(3, dtype=DOUBLE))
        expected = mean + alpha * covariance @ inverse @ (x - alpha * mean)
        torch.testing.assert_close(actual, expected, **CLOSE)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_mixture_against_tweedie(name):
    process = PROCESSES[name]()
    denoiser = mixture(process)
    x_t, t = observations(process, denoiser)
    marginal = torch_mixture(process, t, torch.ones(9, 4, dtype=torch.bool))
    alpha, expected = tweedie(process, marginal.log_prob, x_t, t)
    torch.testing.assert_close(alpha * denoiser(x_t, t).mean, expected, **CLOSE)
    torch.testing.assert_close(denoiser.log_density(x_t, t), marginal.log_prob(x_t), **CLOSE)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_labels_restrict_the_rows_in_which_they_are_present(name):
    process = PROCESSES[name]()
    denoiser = mixture(process)
    x_t, t = observations(process, denoiser)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2])
    present = torch.tensor([True, True, True, True, False, True, True, False, True])
    condition = encode_condition(denoiser.condition_spec, {"label": labels}, 9)
    condition = condition.keep_where({"label": present})
    keep = (labels.unsqueeze(1) == torch.tensor(LABELS)) | ~present.unsqueeze(1)
    marginal = torch_mixture(process, t, keep)
    alpha, expected = tweedie(process, marginal.log_prob, x_t, t)
    torch.testing.assert_close(alpha * denoiser(x_t, t, condition).mean, expected, **CLOSE)
    actual = denoiser.log_density(x_t, t, condition)
    torch.testing.assert_close(actual, marginal.log_prob(x_t), **CLOSE)


def test_all_absent_is_the_same_as_no_condition():
    denoiser = mixture(Flow())
    x_t, t = observations(Flow(), denoiser)
    absent = encode_condition(denoiser.condition_spec, {}, 9)
    assert torch.equal(denoiser(x_t, t, absent).mean, denoiser(x_t, t).mean)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_class_posterior_is_bayes_rule(name):
    process = PROCESSES[name]()
    denoiser = mixture(process)
    x_t, t = observations(process, denoiser)
    marginal = torch_mixture(process, t, torch.ones(9, 4, dtype=torch.bool)).log_prob(x_t)
    prior = double([0.3, 0.35, 0.35])
    expected = []
    for c in range(3):
        keep = (torch.tensor(LABELS) == c).expand(9, 4)
        expected.append(torch_mixture(process, t, keep).log_prob(x_t) + prior[c].log() - marginal)
    # log posteriors reach -1e4 at little noise, where 1e-10 relative is the tolerance that counts.
    torch.testing.assert_close(
        denoiser.log_class_posterior(x_t, t), torch.stack(expected, 1), **CLOSE
    )
    sums = denoiser.class_posterior(x_t, t).sum(1)
    torch.testing.assert_close(sums, torch.ones(9, dtype=DOUBLE), rtol=0, atol=1e-14)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_mixture_against_quadrature_in_one_dimension(name):
    """E[x0 | x_t] by the trapezoidal rule, which converges geometrically for smooth densities."""
    process = PROCESSES[name]()
    weights, means, variances = [0.3, 0.7], [[-1.0], [1.5]], [0.25, 0.04]
    denoiser = MixtureDenoiser(process, weights, means, variances)
    grid = torch.linspace(-8, 8, 20001, dtype=DOUBLE)  # step 8e-4: a 50th of sigma 0.05 below
    prior = sum(
        w * torch.exp(-((grid - m[0]) ** 2) / (2 * v)) / math.sqrt(v)
        for w, m, v in zip(weights, means, variances, strict=True)
    )
    for noise_level in (0.05, 0.3, 1.0, 4.0):
        t = process.time_of_noise_level(double(noise_level)).reshape(1)
        alpha, sigma = process.alpha(t), process.sigma(t)
        for x in (-2.0, 0.1, 1.4):
            x_t = alpha * x
            posterior = prior * torch.exp(-((x_t - alpha * grid) ** 2) / (2 * sigma**2))
            expected = (posterior * grid).sum() / posterior.sum()
            actual = denoiser(x_t.reshape(1, 1), t).mean
            torch.testing.assert_close(actual.squeeze(), expected, **CLOSE)


def test_equal_variances_mean_isotropic_covariances():
    variances = double([0.3, 0.01, 1.0, 2.0])
    full = variances.reshape(4, 1, 1) * torch.eye(3, dtype=DOUBLE)
    short, long = mixture(Flow(), variances), mixture(Flow(), full)
    x_t, t = observations(Flow(), long)
    torch.testing.assert_close(short(x_t, t).mean, long(x_t, t).mean, **CLOSE)
    torch.testing.assert_close(short.log_density(x_t, t), long.log_density(x_t, t), **CLOSE)
    one, four = mixture(Flow(), 0.3), mixture(Flow(), double([0.3] * 4))
    assert torch.equal(one(x_t, t).mean, four(x_t, t).mean)
    for label in (None, 0, 1, 2):
        for actual, expected in zip(short.moments(label), long.moments(label), strict=True):
            torch.testing.assert_close(actual, expected, **CLOSE)


def test_mixture_far_from_all_components_is_stable():
    """Densities underflow, their ratios do not: the nearest component alone decides."""
    process = Flow()
    denoiser = MixtureDenoiser(process, [0.5, 0.5], [[-1.0], [1.0]], 1e-4)
    t = torch.full((2,), process.t_min, dtype=DOUBLE)
    mean = denoiser(double([[50.0], [-50.0]]), t).mean
    alpha, sigma = process.alpha(t[0]), process.sigma(t[0])
    gain = alpha * 1e-4 / (alpha**2 * 1e-4 + sigma**2)
    expected = 1 + gain * (50 - alpha)
    torch.testing.assert_close(mean, torch.stack([expected, -expected]).unsqueeze(1), **CLOSE)


def test_a_mixture_of_points_is_a_softmax_over_them():
    """Variance 0: the denoiser of a finite data set (a weighted mean of its points)."""
    process = Flow()
    points = double([[0.0, 1.0], [2.0, -1.0], [1.0, 1.0]])
    denoiser = MixtureDenoiser(process, [1 / 3] * 3, points, 0.0)
    t = double([0.5, 0.9])
    x_t = double([[0.3, 0.2], [-1.0, 0.5]])
    alpha, sigma = process.alpha(t).unsqueeze(1), process.sigma(t).unsqueeze(1)
    distance = ((x_t.unsqueeze(1) - alpha.unsqueeze(2) * points) ** 2).sum(2)
    expected = torch.softmax(-distance / (2 * sigma**2), 1) @ points
    torch.testing.assert_close(denoiser(x_t, t).mean, expected, **CLOSE)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_subspace_against_a_gaussian_of_lower_rank(name):
    process = PROCESSES[name]()
    basis = torch.linalg.qr(torch.randn(6, 2, dtype=DOUBLE, generator=torch.manual_seed(3))).Q
    spread, mean = random_covariances(dim=2), torch.arange(6, dtype=DOUBLE) / 3
    subspace = SubspaceDenoiser(process, basis, mean, spread)
    gaussian = GaussianDenoiser(process, mean, basis @ spread @ basis.mT)
    x_t, t = observations(process, subspace)
    x_t = x_t + torch.randn(x_t.shape, dtype=DOUBLE, generator=torch.manual_seed(4))
    # The Gaussian's null directions have eigenvalues of rounding size 1e-16, which at the smallest
    # noise level, 1e-3 (sigma² = 1e-6), move the estimate by 1e-10 of |x_t|.
    torch.testing.assert_close(subspace(x_t, t).mean, gaussian(x_t, t).mean, rtol=1e-9, atol=1e-9)
    torch.testing.assert_close(
        subspace.log_density(x_t, t), gaussian.log_density(x_t, t), rtol=1e-9, atol=1e-9
    )
    for actual, expected in zip(subspace.moments(), gaussian.moments(), strict=True):
        torch.testing.assert_close(actual, expected, **CLOSE)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_subspace_obeys_tweedie_and_stays_on_it(name):
    process = PROCESSES[name]()
    basis = torch.linalg.qr(torch.randn(6, 2, dtype=DOUBLE, generator=torch.manual_seed(3))).Q
    mean = torch.arange(6, dtype=DOUBLE) / 3
    denoiser = SubspaceDenoiser(process, basis, mean, random_covariances(dim=2))
    x_t, t = observations(process, denoiser)
    estimate = denoiser(x_t, t).mean
    alpha, expected = tweedie(process, lambda x: denoiser.log_density(x, t), x_t, t)
    torch.testing.assert_close(alpha * estimate, expected, **CLOSE)
    for point in (estimate, denoiser.sample(9, torch.manual_seed(0))):
        off = (point - mean) - (point - mean) @ basis @ basis.mT
        torch.testing.assert_close(off, torch.zeros_like(off), rtol=0, atol=1e-13)


def test_data_of_any_shape_and_scalar_times():
    process = Flow()
    denoiser = GaussianDenoiser(process, [0.5] * 4, torch.diag(double([1.0, 2.0, 0.5, 0.0])))
    x_t = torch.randn(3, 1, 2, 2, dtype=DOUBLE, generator=torch.manual_seed(5))
    t = torch.full((3,), 0.4, dtype=DOUBLE)
    mean = denoiser(x_t, t).mean
    assert torch.equal(mean.flatten(1), denoiser(x_t.flatten(1), t).mean)
    assert torch.equal(mean, denoiser(x_t, t[0]).mean)
    with pytest.raises(ClarionError, match=r"4 values a sample, got shape \(3, 1\)"):
        denoiser(x_t[:, 0, 0, :1], t)


def test_answers_in_the_type_of_the_question_and_computes_in_its_own():
    denoiser = mixture(Flow())
    x_t, t = observations(Flow(), denoiser)
    single = denoiser(x_t.float(), t.float()).mean
    assert single.dtype == torch.float32
    exact = denoiser(x_t.float().double(), t.float().double()).mean.float()
    assert torch.equal(single, exact)
    # Converted to float32 it computes there. At t = 0.5 nothing cancels; 1e-5 is 100 roundings.
    t = torch.full((9,), 0.5)
    torch.testing.assert_close(
        mixture(Flow()).float()(x_t.float(), t).mean, denoiser(x_t.float(), t).mean,
        rtol=1e-5, atol=1e-5,
    )  # fmt: skip


def test_rows_do_not_depend_on_the_batch():
    process = Flow()
    for denoiser in (mixture(process), GaussianDenoiser(process, MEANS[0], COVARIANCES[0])):
        x_t, t = observations(process, denoiser)
        together = denoiser(x_t, t).mean
        alone = torch.cat([denoiser(x_t[i : i + 1], t[i : i + 1]).mean for i in range(9)])
        # Matrix products may sum in another order for another batch size: a few roundings.
        torch.testing.assert_close(together, alone, rtol=1e-14, atol=1e-14)


def test_samples_have_the_moments_stated():
    """20000 draws from a fixed seed: 5 standard errors of each mean and covariance entry."""
    denoiser, n = mixture(Flow()), 20000
    for label in (None, 0, 2):
        condition = encode_condition(denoiser.condition_spec, {"label": label}, n)
        x0 = denoiser.sample(n, torch.Generator().manual_seed(7), condition)
        mean, covariance = denoiser.moments(label)
        error = (x0.mean(0) - mean).abs()
        assert (error < 5 * (covariance.diagonal() / n).sqrt()).all()
        products = (x0 - mean).unsqueeze(2) * (x0 - mean).unsqueeze(1)
        error = (products.mean(0) - covariance).abs()
        assert (error < 5 * products.std(0) / math.sqrt(n)).all()
    labels = denoiser.sample_labels(n, torch.Generator().manual_seed(8))
    share = labels.bincount(minlength=3) / n
    torch.testing.assert_close(share.double(), double([0.3, 0.35, 0.35]), rtol=0, atol=0.02)


def test_moments_by_enumeration():
    mean, covariance = mixture(Flow()).moments(0)
    first, second = double(MEANS[0]), double(MEANS[2])
    expected = (2 * first + second) / 3
    torch.testing.assert_close(mean, expected, **CLOSE)
    raw = (2 * (COVARIANCES[0] + first.outer(first)) + COVARIANCES[2] + second.outer(second)) / 3
    torch.testing.assert_close(covariance, raw - expected.outer(expected), **CLOSE)


def test_sampling_repeats_with_its_generator():
    denoiser = mixture(Flow())
    first, again, other = (denoiser.sample(5, torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[0.0]], [[1.0]]), r"mean must have shape \(any\), got \(1, 1\)"),
        (([], [[1.0]]), r"mean must have shape"),
        (([0.0, math.nan], torch.eye(2)), "mean must be finite"),
        ((["a"], [[1.0]]), "mean must be numbers"),
        (([0.0, 0.0], torch.eye(3)), r"covariance must have shape \(2, 2\), got \(3, 3\)"),
        (([0.0, 0.0], [[1.0, 0.5], [0.4, 1.0]]), "covariance must be symmetric"),
        (([0.0, 0.0], [[1.0, 2.0], [2.0, 1.0]]), r"semidefinite.*eigenvalue is -1\.0"),
        (([0.0], [[math.inf]]), "covariance must be finite"),
    ],
)
def test_gaussian_refuses(arguments, message):
    with pytest.raises(ClarionError, match=message):
        GaussianDenoiser(Flow(), *arguments)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": [0.5, 0.6]}, r"weights must be above 0 and add up to 1, got \[0\.5, 0\.6\]"),
        ({"weights": [1.0, 0.0]}, "weights must be above 0"),
        ({"weights": [1.5, -0.5]}, "weights must be above 0"),
        ({"weights": [math.nan, 1.0]}, "weights must be finite"),
        ({"means": [[0.0]]}, r"means must have shape \(2, any\)"),
        ({"covariances": [1.0, 1.0, 1.0]}, r"covariances must have shape \(2, 1, 1\), or \(2,\)"),
        ({"covariances": -1.0}, "at least 0"),
        ({"covariances": math.nan}, "covariances must be finite"),
        ({"covariances": [[[1.0]], [[-1.0]]]}, "semidefinite"),
        ({"labels": [0]}, "all 2 components"),
        ({"labels": [0, 2]}, "no class left out"),
        ({"labels": [-1, 0]}, "no class left out"),
        ({"labels": [0.0, 1.0]}, "no class left out"),
        ({"labels": [False, True]}, "no class left out"),
    ],
)
def test_mixture_refuses(changes, message):
    given = {
        "weights": [0.5, 0.5],
        "means": [[0.0], [1.0]],
        "covariances": 1.0,
        "labels": [0, 1],
        **changes,
    }
    with pytest.raises(ClarionError, match=message):
        MixtureDenoiser(Flow(), **given)


def test_mixture_without_classes_refuses_labels():
    denoiser, labelled = mixture(Flow(), labels=None), mixture(Flow())
    condition = encode_condition(labelled.condition_spec, {"label": 1}, 9)
    x_t, t = observations(Flow(), denoiser)
    with pytest.raises(ClarionError, match="no classes"):
        denoiser(x_t, t, condition)
    with pytest.raises(ClarionError, match="no classes"):
        denoiser.sample_labels(3)
    with pytest.raises(ClarionError, match=r"label must be in 0\.\.2, got 3"):
        labelled.moments(3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.ones(3, 1), [0.0] * 3, [[1.0]]), "orthonormal.*torch.linalg.qr"),
        ((torch.eye(3), [0.0] * 2, torch.eye(3)), r"mean must have shape \(3\)"),
        ((torch.eye(3)[:, :2], [0.0] * 3, torch.eye(3)), r"covariance must have shape \(2, 2\)"),
        ((torch.eye(3)[:2], [0.0] * 2, torch.eye(3)), "orthonormal"),
        ((torch.eye(2), [0.0] * 2, -torch.eye(2)), "semidefinite"),
    ],
)
def test_subspace_refuses(arguments, message):
    with pytest.raises(ClarionError, match=message):
        SubspaceDenoiser(Flow(), *arguments)


def test_what_float32_rounded_is_not_refused():
    """A covariance of lower rank and a basis, both computed in float32."""
    basis = torch.linalg.qr(torch.randn(40, 3, generator=torch.manual_seed(9))).Q
    GaussianDenoiser(Flow(), [0.0] * 40, basis @ basis.mT)
    SubspaceDenoiser(Flow(), basis, [0.0] * 40, torch.eye(3))


def test_lists_keep_their_float64_digits():
    assert GaussianDenoiser(Flow(), [0.1], [[0.1]]).moments()[0].item() == 0.1
