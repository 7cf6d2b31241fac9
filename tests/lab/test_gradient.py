import pytest
import torch

from clarion.denoise import Visit
from clarion.denoise.exact import GaussianDenoiser, MixtureDenoiser, SubspaceDenoiser
from clarion.lab.axes import random_axes
from clarion.lab.gradient import GradientGuided
from clarion.process import EDM, PROCESSES, VPCosine
from clarion.sample import sample

MEAN = torch.tensor([0.5, -1.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.4], [0.4, 0.6]], dtype=torch.float64)
GRADIENT = torch.tensor([0.7, -0.2], dtype=torch.float64)
MIXTURE = {"weights": [0.3, 0.7], "means": [[1.0, 0.0], [-1.0, 0.5]], "covariances": [0.2, 0.5]}


def linear(x0):
    return x0 @ GRADIENT


def curved(x0):
    return -((x0 - 1.5) ** 2).sum(1) + x0.prod(1)


def points(n=6):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", list(PROCESSES))
def test_ahead_by_the_score_is_the_exact_tilt_of_gaussian_data(name):
    process = PROCESSES[name]()
    # p(x) exp(c g . x) of a normal p is a normal of the same covariance C and of mean + c C g.
    tilted = GaussianDenoiser(process, MEAN + 1.7 * COVARIANCE @ GRADIENT, COVARIANCE)
    guided = GradientGuided(GaussianDenoiser(process, MEAN, COVARIANCE), linear, 1.7)
    t = torch.linspace(process.t_min + 0.05, process.t_max - 0.01, 6, dtype=torch.float64)
    torch.testing.assert_close(
        guided(points(), t).mean, tilted(points(), t).mean, rtol=1e-9, atol=0
    )


def test_samples_of_the_tilt_are_those_of_its_own_denoiser():
    inner = GaussianDenoiser(VPCosine(), MEAN, COVARIANCE)
    tilted = GaussianDenoiser(VPCosine(), MEAN + 1.7 * COVARIANCE @ GRADIENT, COVARIANCE)
    drawn = [
        sample(d, (2,), n=4, num_steps=8, sampler="ddpm", dtype=torch.float64)
        for d in (GradientGuided(inner, linear, 1.7), tilted)
    ]
    torch.testing.assert_close(*drawn, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("added_to", ["score", "mean"])
@pytest.mark.parametrize("looks_ahead", [True, False])
def test_the_shift_is_the_gradient_by_finite_differences(added_to, looks_ahead):
    process = VPCosine()
    inner = MixtureDenoiser(process, **MIXTURE)
    guided = GradientGuided(inner, curved, 0.3, looks_ahead=looks_ahead, added_to=added_to)
    x_t, t = points(), torch.full((6,), 0.4, dtype=torch.float64)
    alpha, s = process.alpha(t[:1]), process.noise_level(t[:1])

    def reward_of(y):
        return curved(inner(alpha * y, t).mean if looks_ahead else y)

    at = x_t / alpha if looks_ahead else inner(x_t, t).mean
    steps = 1e-5 * torch.eye(2, dtype=torch.float64)
    slopes = torch.stack([(reward_of(at + h) - reward_of(at - h)) / 2e-5 for h in steps], 1)
    weight = 0.3 * (s**2 if added_to == "score" else 1)
    # Central differences err by 1e-10, rounding over the step by as much.
    expected = inner(x_t, t).mean + weight * slopes
    torch.testing.assert_close(guided(x_t, t).mean, expected, rtol=0, atol=1e-8)


def test_ahead_adds_nothing_across_the_subspace_whatever_the_reward():
    axes = random_axes(5, seed=0)
    covariance = torch.diag(torch.tensor([0.3, 2.0], dtype=torch.float64))
    inner = SubspaceDenoiser(EDM(), axes[:, :2], torch.zeros(5), covariance)

    def squared_loss(x0):  # the reward of the paper
        return -((3.0 - x0 @ axes.sum(1)) ** 2)

    x_t = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.full((4,), 0.5, dtype=torch.float64)
    shifts = [
        GradientGuided(inner, squared_loss, 1.0, looks_ahead=ahead)(x_t, t).mean
        - inner(x_t, t).mean
        for ahead in (True, False)
    ]
    across = [float((shift @ axes[:, 2:]).norm()) for shift in shifts]
    along = [float((shift @ axes[:, :2]).norm()) for shift in shifts]
    assert along[0] > 0.1
    assert across[0] < 1e-12 * along[0]
    assert across[1] > 0.1 * along[1]


def test_a_sample_does_not_depend_on_its_batch_and_no_gradient_is_kept():
    guided = GradientGuided(MixtureDenoiser(VPCosine(), **MIXTURE), curved, 0.3)
    t = torch.full((6,), 0.4, dtype=torch.float64)
    whole = guided(points(), t).mean
    assert not whole.requires_grad
    torch.testing.assert_close(guided(points()[2:3], t[2:3]).mean, whole[2:3], rtol=0, atol=1e-14)


def test_strength_zero_steps_out_of_the_way_and_evaluations_are_those_within():
    inner = MixtureDenoiser(VPCosine(), **MIXTURE)
    assert GradientGuided(inner, curved, 0.0).at(Visit(0.5)) is inner
    guided = GradientGuided(inner, curved, 0.3)
    assert guided.at(Visit(0.5)) is guided
    guided(points(), torch.full((6,), 0.5, dtype=torch.float64))
    assert guided.num_evaluations == inner.num_evaluations == 6
