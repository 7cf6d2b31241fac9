"""Particles against tilted densities, which are closed forms."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError, SamplingError
from clarion.base.normalizer import Normalizer
from clarion.denoise import Denoiser, Estimate
from clarion.denoise.exact import GaussianDenoiser, MixtureDenoiser
from clarion.guide import SampleSpace
from clarion.guide.contrast.adaptive import Adaptive
from clarion.guide.contrast.apg import APG
from clarion.guide.gradient.reward import Reward
from clarion.process import VPCosine
from clarion.sample import ParticleSampler, generate, sample
from clarion.sample.ancestral import DDIMSampler, DDPMSampler, EulerSampler
from clarion.sample.dpmpp_sde import DPMpp2MSDESampler
from clarion.sample.heun import EDMSampler, HeunSampler
from clarion.sample.langevin import PredictorCorrectorSampler

PROCESS = VPCosine()
LEVELS = torch.tensor([40.0, 6.0, 2.5, 1.2, 0.6, 0.25, 0.08], dtype=torch.float64)
TIMES = torch.cat([PROCESS.time_of_noise_level(LEVELS), torch.zeros(1, dtype=torch.float64)])
MEAN, VARIANCE = 0.7, 1.5
DENOISER = GaussianDenoiser(PROCESS, [MEAN], [[VARIANCE]])


def linear(x0, condition):
    return x0[:, 0]


def squared(x0, condition):
    return -((x0[:, 0] - 1) ** 2) / 2


def is_above(x0, condition):
    return (x0[:, 0] > 0).to(x0.dtype)


FINE = torch.logspace(1.6, -1.2, 32, dtype=torch.float64)


def base_law(levels=LEVELS):
    """Mean and variance of DDPM's samples on these levels, a recursion of affine normal steps.

    With few levels they are not quite those of the data; the tilted law is that of these samples.
    """
    levels = [*levels.tolist(), 0.0]
    mean, variance = 0.0, levels[0] ** 2
    for s, s_next in pairwise(levels):
        gain = VARIANCE / (VARIANCE + s**2)  # D = MEAN + gain (y - MEAN)
        carry = (s_next / s) ** 2  # the posterior q(y' | y, x0): share of y in its mean
        fresh = s_next**2 * (s**2 - s_next**2) / s**2
        slope = carry + (1 - carry) * gain
        mean = slope * mean + (1 - carry) * (1 - gain) * MEAN
        variance = slope**2 * variance + fresh
    return mean, variance


def drawn(sampler, denoiser=DENOISER, n=4000, seed=1, levels=LEVELS):
    times = torch.cat([PROCESS.time_of_noise_level(levels), torch.zeros(1).double()])
    settings = {"n": n, "times": times, "seed": seed, "dtype": torch.float64}
    return sample(denoiser, (1,), sampler=sampler, **settings)[:, 0]


def check_normal(x, mean, variance, bias=0.0):
    """Mean and variance within four standard errors, and what is allowed for P being finite."""
    error = math.sqrt(variance / len(x))
    assert abs(float(x.mean()) - mean) < 4 * error + bias
    assert abs(float(x.var()) / variance - 1) < 4 * math.sqrt(2 / len(x)) + bias


def test_base_law_is_that_of_the_sampler():
    check_normal(drawn(DDPMSampler(), n=20000), *base_law())


def test_a_linear_reward_moves_a_normal():
    mean, variance = base_law()
    x = drawn(ParticleSampler(linear, 0.8, 64))
    check_normal(x, mean + 0.8 * variance, variance, bias=0.02)


@pytest.mark.parametrize("threshold", [0.0, 1.0])
def test_a_quadratic_reward_narrows_a_normal(threshold):
    mean, variance = base_law()
    precision = 1 / variance + 2
    x = drawn(ParticleSampler(squared, 2.0, 64, ess_threshold=threshold))
    check_normal(x, (mean / variance + 2) / precision, 1 / precision, bias=0.02)


def test_a_reward_without_a_gradient_weighs_modes():
    """Each mode is half of a symmetric mixture, so that their odds become exp(scale)."""
    denoiser = MixtureDenoiser(PROCESS, [0.5, 0.5], [[-2.0], [2.0]], 0.25)
    x = drawn(ParticleSampler(is_above, 2.0, 64), denoiser)
    share = math.exp(2) / (1 + math.exp(2))
    found = float((x > 0).double().mean())
    assert abs(found - share) < 4 * math.sqrt(share * (1 - share) / len(x)) + 0.005


def test_the_bias_falls_with_the_particles():
    mean, variance = base_law()
    wanted = mean + 1.5 * variance
    biases = [
        abs(float(drawn(ParticleSampler(linear, 1.5, count)).mean()) - wanted)
        for count in (1, 4, 16, 64)
    ]
    error = 4 * math.sqrt(variance / 4000)
    assert abs(biases[0] - 1.5 * variance) < error  # nothing to choose from
    assert biases[1] < biases[0] / 1.5
    assert biases[2] < biases[1] / 2
    assert biases[3] < error + 0.02


@pytest.mark.parametrize("sampler", [EDMSampler(s_churn=8.0), PredictorCorrectorSampler()])
@pytest.mark.parametrize("threshold", [0.0, 0.7])
def test_other_samplers_are_weighed_by_what_they_leave(sampler, threshold):
    """The law of the sampler alone is taken from it, with windows for both."""
    alone = drawn(sampler, n=20000, seed=3)
    x = drawn(ParticleSampler(linear, 0.8, 64, sampler=sampler, ess_threshold=threshold), n=2000)
    mean, variance = float(alone.mean()), float(alone.var())
    check_normal(x, mean + 0.8 * variance, variance, bias=0.05)


def test_best_of_n_has_the_law_of_the_largest():
    """P(max <= x) = Phi(x)^n: put through it, the samples are uniform."""
    mean, variance = base_law()
    sampler = ParticleSampler(linear, 1.0, 8, ess_threshold=0.0, choose="best")
    x = drawn(sampler)
    uniform = torch.special.ndtr((x - mean) / math.sqrt(variance)).pow(8).sort().values
    steps = torch.arange(len(x), dtype=torch.float64) / len(x)
    distance = max(float((uniform - steps).max()), float((steps + 1 / len(x) - uniform).max()))
    assert distance < 1.63 / math.sqrt(len(x))  # Kolmogorov's distance, at 1 in 100
    smallest = drawn(replace(sampler, scale=-1.0))
    assert float(smallest.mean()) < mean - math.sqrt(variance)


class Elementwise(Denoiser):
    """A smooth nonlinear function of each element, so that no batch can change its bits."""

    def estimate(self, x_t, t, condition):
        return Estimate(x_t / (1 + x_t * x_t))


def first(x0, condition):
    return x0[:, 0, 0]


@pytest.mark.parametrize("inner", [DDPMSampler(), DPMpp2MSDESampler(), EDMSampler(s_churn=5.0)])
@pytest.mark.parametrize("choose", ["draw", "best"])
def test_a_sample_does_not_depend_on_its_batch(inner, choose):
    reports = []
    sampler = ParticleSampler(
        first,
        3.0,
        5,
        sampler=inner,
        ess_threshold=0.9,
        choose=choose,
        report=lambda *told: reports.append(told),
    )
    settings = {"sampler": sampler, "num_steps": 6, "seed": 5}
    denoiser, shape = Elementwise(PROCESS), (3, 5)
    whole = sample(denoiser, shape, n=20, **settings)
    assert any(resampled.any() for _, _, resampled in reports)
    assert torch.equal(sample(denoiser, shape, indices=[17], **settings), whole[17:18])
    assert torch.equal(sample(denoiser, shape, indices=[19, 3], **settings), whole[[19, 3]])
    batches = list(generate(denoiser, shape, n=20, batch_size=7, **settings))
    assert torch.equal(torch.cat(batches), whole)


@pytest.mark.parametrize("inner", [DDPMSampler(), DPMpp2MSDESampler(), EDMSampler(s_churn=5.0)])
def test_one_particle_is_the_sampler_alone(inner):
    settings = {"n": 7, "num_steps": 6, "seed": 5}
    sampler = ParticleSampler(first, 3.0, 1, sampler=inner)
    alone = sample(Elementwise(PROCESS), (3, 5), sampler=inner, **settings)
    assert torch.equal(sample(Elementwise(PROCESS), (3, 5), sampler=sampler, **settings), alone)


def test_the_best_of_a_deterministic_sampler():
    """Its particles differ in their start alone, and the best is best among them."""
    settings = {"num_steps": 4, "n": 3}
    sampler = ParticleSampler(
        first, 1.0, 6, sampler=HeunSampler(), ess_threshold=0.0, choose="best"
    )
    best = sample(Elementwise(PROCESS), (2, 2), sampler=sampler, **settings)
    one = sample(
        Elementwise(PROCESS), (2, 2), sampler=replace(sampler, num_particles=1), **settings
    )
    assert (best[:, 0, 0] >= one[:, 0, 0]).all()
    assert (best[:, 0, 0] > one[:, 0, 0]).any()


def test_each_sample_has_its_own_condition():
    """A particle is rewarded by the condition of its sample, in data units."""

    def towards(x0, condition):
        return -((x0[:, 0] - condition.values["label"]) ** 2)

    condition = encode_condition({"label": ClassEntry(3)}, {"label": [0, 2, 2, 0, 1]}, 5)
    normalizer = Normalizer((1.0,), (2.0,))
    space = SampleSpace((1,), normalizer, condition=condition)
    sampler = ParticleSampler(towards, 400.0, 400, ess_threshold=0.0).bind(space)
    found = generate(
        DENOISER, (1,), n=5, batch_size=2, condition=condition, sampler=sampler, num_steps=5
    )
    data = normalizer.decode(torch.cat(list(found)))[:, 0]
    torch.testing.assert_close(data, torch.tensor([0.0, 2, 2, 0, 1]), rtol=0, atol=0.25)


def test_the_report():
    told = []
    sampler = ParticleSampler(
        linear, 2.0, 8, report=lambda *values: told.append(values), ess_threshold=0.6
    )
    drawn(sampler, n=50)
    assert [t for t, _, _ in told] == pytest.approx(TIMES[:-1].tolist(), abs=1e-12)
    for _, number, resampled in told[:-1]:
        assert torch.equal(resampled, number < 0.6 * 8)
        assert ((number > 0.999) & (number < 8.001)).all()
    assert any(resampled.any() for _, _, resampled in told)
    assert not told[-1][2].any()


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"num_particles": 0}, ClarionError, "num_particles must be a whole number, at least 1"),
        ({"ess_threshold": 1.1}, ClarionError, r"ess_threshold must be .* in \[0, 1\], got 1.1"),
        ({"choose": "worst"}, ClarionError, "choose"),
        ({"scale": math.inf}, ClarionError, "scale must be a finite number, got inf"),
        ({"sampler": "ddpm"}, ClarionError, "moved by a sampler such as DDPMSampler"),
        ({"sampler": EulerSampler()}, ClarionError, "would stay alike.*ess_threshold=0"),
        ({"sampler": DDIMSampler(eta=0.0)}, ClarionError, "would stay alike"),
    ],
)
def test_settings_that_cannot_be_used(settings, error, message):
    given = {"fn": linear, "scale": 1.0, "num_particles": 4} | settings
    with pytest.raises(error, match=message):
        ParticleSampler(**given)


def test_minus_infinity_forbids_a_sample():
    """What is left is the normal law above 0, and each half alone has the law of the other."""
    mean, variance = base_law()

    def allowed(x0, condition):
        return is_above(x0, condition).log()

    x = drawn(ParticleSampler(allowed, 1.0, 64))
    assert x.min() > 0
    # Put through its distribution function, the samples are uniform.
    below = math.erfc(mean / math.sqrt(2 * variance)) / 2
    uniform = (torch.special.ndtr((x - mean) / math.sqrt(variance)) - below) / (1 - below)
    uniform = uniform.sort().values
    steps = torch.arange(len(x), dtype=torch.float64) / len(x)
    distance = max(float((uniform - steps).max()), float((steps + 1 / len(x) - uniform).max()))
    assert distance < 1.63 / math.sqrt(len(x))  # Kolmogorov's distance, at 1 in 100


@pytest.mark.parametrize("threshold", [0.0, 0.5])
@pytest.mark.parametrize(
    "fn",
    [
        lambda x0, _: torch.where(x0[:, 0] > 3, math.nan, x0[:, 0]),  # at some steps, for some
        lambda x0, _: torch.where(x0[:, 0] > 1, math.inf, x0[:, 0]),
        lambda x0, _: x0[:, 0] - math.inf,
    ],
)
def test_rewards_that_give_no_weights_are_refused(fn, threshold):
    sampler = ParticleSampler(fn, 1.0, 16, ess_threshold=threshold)
    with pytest.raises(SamplingError, match=r"of 40 samples have no weights: the reward is NaN or"):
        drawn(sampler, n=40)


def test_a_model_that_breaks_is_not_blamed_on_the_reward():
    class Breaks(Denoiser):
        def estimate(self, x_t, t, condition):
            return Estimate(torch.where(t[0] < 0.2, math.nan, x_t))

    with pytest.raises(SamplingError, match="not finite: the model returned NaN or infinity"):
        drawn(ParticleSampler(linear, 1.0, 4), Breaks(PROCESS), n=5)


@pytest.mark.parametrize(
    ("fn", "message"),
    [
        (lambda x0, _: x0, r"one number a sample, shape \(2,\), got \(2, 3\)"),
        (lambda x0, _: x0[:, 0] * math.nan, "must give numbers, got NaN"),
        (lambda x0, _: x0[:, 7], r"fails on samples of shape \(3,\)"),
        (lambda x0, _: x0[:, 0] - x0.mean(), "must not depend on the others"),
    ],
)
def test_a_wrong_reward_is_refused_before_sampling(fn, message):
    with pytest.raises(ClarionError, match=message):
        ParticleSampler(fn, 1.0, 4).bind(SampleSpace((3,)))


@pytest.mark.parametrize("rule", [Adaptive(3.0), APG(3.0, momentum=-0.5)])
def test_rules_that_remember_rows_are_refused_where_rows_change(rule):
    with pytest.raises(ClarionError, match=f"{type(rule).__name__} remembers .*ess_threshold=0"):
        ParticleSampler(linear, 1.0, 4).following(rule(DENOISER))
    ParticleSampler(linear, 1.0, 4, ess_threshold=0.0).following(rule(DENOISER))
    ParticleSampler(linear, 1.0, 4).following(APG(3.0)(DENOISER))


@pytest.mark.parametrize("is_steered", [False, True])
def test_no_step_waits_for_the_device(monkeypatch, is_steered):
    """From the first evaluation to the last nothing is read off a tensor."""

    def refuse(*arguments):
        raise AssertionError("the host waits for the device")

    def callback(done, total, estimate):
        if done == 1:
            for reading in ("__bool__", "__float__", "__int__", "__index__", "item", "tolist"):
                monkeypatch.setattr(torch.Tensor, reading, refuse)
        if done == total:
            monkeypatch.undo()

    told = []
    sampler = ParticleSampler(linear, 3.0, 8, report=lambda *values: told.append(values))
    denoiser = Reward(linear, 1.0)(DENOISER) if is_steered else DENOISER
    sample(denoiser, (1,), n=5, sampler=sampler, num_steps=6, callback=callback)
    assert any(resampled.any() for _, _, resampled in told)


def test_the_name_alone_is_too_little():
    with pytest.raises(ClarionError, match=r"needs fn, scale, num_particles; give ParticleSampler"):
        sample(DENOISER, (1,), n=1, sampler="particles")
