"""Guidance by a reward against tilted Gaussians, finite differences and autograd."""

import math

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError, SamplingError
from clarion.base.normalizer import Normalizer
from clarion.denoise import Visit
from clarion.denoise.exact import GaussianDenoiser, MixtureDenoiser, SubspaceDenoiser
from clarion.guide import Reward, SampleSpace
from clarion.guide.gradient.reward_function import bind_reward
from clarion.lab.axes import random_axes
from clarion.process import EDM, PROCESSES, VPCosine
from clarion.run.steering import read_rules
from clarion.sample import sample

MEAN = torch.tensor([0.5, -1.0], dtype=torch.float64)
COVARIANCE = torch.tensor([[1.0, 0.4], [0.4, 0.6]], dtype=torch.float64)
GRADIENT = torch.tensor([0.7, -0.2], dtype=torch.float64)
MIXTURE = {"weights": [0.3, 0.7], "means": [[1.0, 0.0], [-1.0, 0.5]], "covariances": [0.2, 0.5]}
SPACE = SampleSpace((2,))


def linear(x0, condition):
    return x0 @ GRADIENT


def curved(x0, condition):
    return -((x0 - 1.5) ** 2).sum(1) + x0.prod(1)


def points(n=6):
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 2, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("name", list(PROCESSES))
def test_through_by_the_score_is_the_exact_tilt_of_gaussian_data(name):
    process = PROCESSES[name]()
    # p(x) exp(c g . x) of a normal p is a normal of the same covariance C and of mean + c C g.
    tilted = GaussianDenoiser(process, MEAN + 1.7 * COVARIANCE @ GRADIENT, COVARIANCE)
    guided = Reward(linear, 1.7)(GaussianDenoiser(process, MEAN, COVARIANCE))
    t = torch.linspace(process.t_min + 0.05, process.t_max - 0.01, 6, dtype=torch.float64)
    torch.testing.assert_close(
        guided(points(), t).mean, tilted(points(), t).mean, rtol=1e-9, atol=0
    )


def test_samples_of_the_tilt_are_those_of_its_own_denoiser():
    inner = GaussianDenoiser(VPCosine(), MEAN, COVARIANCE)
    tilted = GaussianDenoiser(VPCosine(), MEAN + 1.7 * COVARIANCE @ GRADIENT, COVARIANCE)
    drawn = [
        sample(d, (2,), n=4, num_steps=8, sampler="ddpm", dtype=torch.float64)
        for d in (Reward(linear, 1.7)(inner), tilted)
    ]
    torch.testing.assert_close(*drawn, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("added_to", ["score", "mean"])
@pytest.mark.parametrize("gradient", ["through", "detached"])
def test_the_shift_is_the_gradient_by_finite_differences(added_to, gradient):
    process, is_through = VPCosine(), gradient == "through"
    inner = MixtureDenoiser(process, **MIXTURE)
    guided = Reward(curved, 0.3, gradient, added_to)(inner)
    x_t, t = points(), torch.full((6,), 0.4, dtype=torch.float64)
    alpha, s = process.alpha(t[:1]), process.noise_level(t[:1])

    def reward_of(y):
        return curved(inner(alpha * y, t).mean if is_through else y, None)

    at = x_t / alpha if is_through else inner(x_t, t).mean
    steps = 1e-5 * torch.eye(2, dtype=torch.float64)
    slopes = torch.stack([(reward_of(at + h) - reward_of(at - h)) / 2e-5 for h in steps], 1)
    weight = 0.3 * (s**2 if added_to == "score" else 1)
    # Central differences err by 1e-10, rounding over the step by as much.
    expected = inner(x_t, t).mean + weight * slopes
    torch.testing.assert_close(guided(x_t, t).mean, expected, rtol=0, atol=1e-8)


def test_through_adds_nothing_across_the_subspace_whatever_the_reward():
    axes = random_axes(5, seed=0)
    covariance = torch.diag(torch.tensor([0.3, 2.0], dtype=torch.float64))
    inner = SubspaceDenoiser(EDM(), axes[:, :2], torch.zeros(5), covariance)

    def squared_loss(x0, condition):  # the reward of the paper
        return -((3.0 - x0 @ axes.sum(1)) ** 2)

    x_t = torch.randn(4, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    t = torch.full((4,), 0.5, dtype=torch.float64)
    shifts = [
        Reward(squared_loss, 1.0, gradient)(inner)(x_t, t).mean - inner(x_t, t).mean
        for gradient in ("through", "detached")
    ]
    across = [float((shift @ axes[:, 2:]).norm()) for shift in shifts]
    along = [float((shift @ axes[:, :2]).norm()) for shift in shifts]
    assert along[0] > 0.1
    assert across[0] < 1e-12 * along[0]
    assert across[1] > 0.1 * along[1]


def test_a_sample_does_not_depend_on_its_batch_and_no_gradient_is_kept():
    guided = Reward(curved, 0.3)(MixtureDenoiser(VPCosine(), **MIXTURE))
    t = torch.full((6,), 0.4, dtype=torch.float64)
    whole = guided(points(), t).mean
    assert not whole.requires_grad
    torch.testing.assert_close(guided(points()[2:3], t[2:3]).mean, whole[2:3], rtol=0, atol=1e-14)


def test_scale_zero_steps_out_of_the_way_and_what_is_spent_is_counted():
    inner = MixtureDenoiser(VPCosine(), **MIXTURE)
    assert Reward(curved, 0.0)(inner).at(Visit(0.5)) is inner
    t = torch.full((6,), 0.5, dtype=torch.float64)
    Reward(curved, 0.3, "detached")(inner)(points(), t)
    assert (inner.num_evaluations, inner.num_gradients) == (6, 0)
    Reward(curved, 0.3)(inner)(points(), t)
    assert (inner.num_evaluations, inner.num_gradients) == (12, 6)


@pytest.mark.parametrize("within", ["through", "detached"])
def test_one_reward_round_another_is_differentiated_right(within):
    """Against autograd of the whole formula, written out with a graph all through."""
    inner, process = MixtureDenoiser(VPCosine(), **MIXTURE), VPCosine()
    t = torch.full((6,), 0.4, dtype=torch.float64)
    alpha, s = process.alpha(t[:1]), process.noise_level(t[:1])
    y = (points() / alpha).requires_grad_()
    mean = inner(alpha * y, t).mean
    by = y if within == "through" else mean
    (slope,) = torch.autograd.grad(curved(mean, None).sum(), by, create_graph=True)
    once = mean + 0.3 * s**2 * slope
    (outer,) = torch.autograd.grad(once.prod(1).sum(), y)
    expected = (once + 0.2 * s**2 * outer).detach()

    nested = Reward(lambda x0, _: x0.prod(1), 0.2)(Reward(curved, 0.3, within)(inner))
    with torch.no_grad():  # as in a sampler's loop
        actual = nested(points(), t).mean
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-12)


def test_a_bound_reward_takes_model_units_and_is_given_data_units():
    normalizer = Normalizer(mean=(2.0,), std=(4.0,))
    space = SampleSpace((1, 2), normalizer)
    rule = Reward(lambda x0, _: x0.sum((1, 2)), 1.0).bind(space)
    x0 = torch.tensor([[[0.0, 1.0]], [[-1.0, 0.5]]])
    expected = normalizer.decode(x0).sum((1, 2))
    torch.testing.assert_close(rule.fn(x0, None), expected, rtol=0, atol=0)
    assert not torch.equal(expected, x0.sum((1, 2)))


def test_a_reward_is_given_the_condition_of_its_rows():
    spec = {"label": ClassEntry(5)}
    condition = encode_condition(spec, {"label": [4, 1, 3]}, 3)
    space = SampleSpace((2,), condition=condition)

    def towards_label(x0, condition):
        return -((x0 - condition.values["label"].unsqueeze(1)) ** 2).sum(1)

    rule = Reward(towards_label, 1.0).bind(space)
    actual = rule.fn(torch.zeros(3, 2), condition)
    assert actual.tolist() == [-32.0, -2.0, -18.0]
    one = SampleSpace((2,), condition=condition.rows(slice(1)))
    Reward(towards_label, 1.0).bind(one)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x0, _: x0.sum(), r"one number a sample, shape \(2,\), got \(\)"),
        (lambda x0, _: x0, r"got \(2, 2\)"),
        (lambda x0, _: 1.0, r"got 1\.0"),
        (lambda x0, _: (x0 * math.nan).sum(1), "must give numbers, got NaN"),
        (lambda x0, _: x0.sum(1) - x0.mean(), "must not depend on the others"),
        (lambda x0, _: x0.sum(1) + torch.rand(()), "must not be random"),
        (lambda x0, _: x0.sum(1) / 0, "must be finite, got .*inf.* only -infinity"),
        (lambda x0, _: x0[:, 7], r"fails on samples of shape \(2,\): IndexError: index 7.*2\.$"),
        (lambda x0, _: {}["key"], r"fails on samples of shape \(2,\): KeyError: 'key'\.$"),
        (lambda x0: x0, "TypeError: .* takes 1 positional argument but 2 were given"),
        (
            lambda x0, _: (x0 > 0).float().sum(1),
            r"no gradient: its results .*torch\. .*`particles`",
        ),
        (lambda x0, _: x0.detach().sum(1), r"no gradient: its results .*torch\. .*`particles`"),
        (lambda x0, _: torch.from_numpy(x0.numpy()).sum(1), "no gradient: RuntimeError: .*`partic"),
        (lambda x0, _: (0 * x0).sum(1).sqrt(), "gradient of the reward .* is not finite"),
    ],
)
def test_what_is_no_reward_is_refused_before_sampling(fn, message):
    with pytest.raises(ClarionError, match=message) as caught:
        Reward(fn, 1.0).bind(SPACE)
    assert "reward test_reward.py#<lambda>" in str(caught.value)


def test_the_values_alone_need_no_gradient():
    fn = bind_reward(lambda x0, _: (x0 > 0).double().sum(1), 1.0, SPACE)
    assert fn(torch.tensor([[1.0, -1.0], [2.0, 3.0]]), None).tolist() == [1.0, 2.0]


def test_an_infinite_reward_may_forbid_a_sample_but_not_demand_it():
    def forbids(x0, _):
        return torch.where(x0[:, 0] > -99, -math.inf, 0.0)

    bind_reward(forbids, 2.0, SPACE)
    with pytest.raises(ClarionError, match=r"with scale -2 only infinity can be used"):
        bind_reward(forbids, -2.0, SPACE)


@pytest.mark.parametrize(
    "fn",
    [
        lambda x0, _: (3 - x0[:, 0].abs()).log(),
        lambda x0, _: x0[:, 0] + torch.where(x0[:, 0] > 3, math.nan, 0.0),  # its gradient is 1
    ],
)
def test_a_reward_that_becomes_nan_on_the_way_is_named(fn):
    """It is sound on the samples that are tried before."""
    denoiser = GaussianDenoiser(VPCosine(), [0.0], [[16.0]])
    rule = Reward(fn, 1.0).bind(SampleSpace((1,)))
    with pytest.raises(SamplingError, match="the reward is NaN or its gradient not finite"):
        sample(rule(denoiser), (1,), n=50)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ((math.nan,), "scale must be a finite number, got nan"),
        ((1.0, "ahead"), "gradient must be 'through' or 'detached', got 'ahead'"),
        ((1.0, "through", "noise"), "added_to must be 'score' or 'mean', got 'noise'"),
    ],
)
def test_bad_settings(settings, message):
    with pytest.raises(ClarionError, match=message):
        Reward(linear, *settings)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_reward.py"
    path.write_text("FACTOR = 3\n\ndef bright(x0, condition):\n    return FACTOR * x0.sum(1)\n")
    return path


def test_a_reward_is_read_from_a_file(file):
    (rule,) = read_rules(f"reward:{file}#bright:2,detached@0.1-0.6", load=None, process=EDM())
    assert isinstance(rule, Reward)
    assert (rule.scale, rule.gradient, rule.t_low, rule.t_high) == (2.0, "detached", 0.1, 0.6)
    assert rule.fn(torch.ones(2, 2), None).tolist() == [6.0, 6.0]


def test_a_reward_that_fails_later_is_named():
    """On the two samples that are tried before, all goes well."""

    def late(x0, condition):
        if len(x0) > 2:
            raise MemoryError("no room for so many")
        return x0.sum(1)

    inner = GaussianDenoiser(VPCosine(), MEAN, COVARIANCE)
    with pytest.raises(ClarionError, match=r"test_reward\.py#late fails .*no room for so many\.$"):
        sample(Reward(late, 1.0)(inner), (2,), n=8, num_steps=4, dtype=torch.float64)
