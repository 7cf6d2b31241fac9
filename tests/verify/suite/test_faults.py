"""Things broken on purpose: each is caught, and the property that fails is named."""

from dataclasses import dataclass, replace

import pytest

from clarion.denoise import DenoiserWrapper, Estimate
from clarion.denoise.parametrization import PARAMETRIZATIONS
from clarion.guide import CFG, Adaptive
from clarion.guide.rule import Guidance
from clarion.process import EDM, GRIDS, VPLinear
from clarion.process.grids import Grid
from clarion.sample import AffineSampler
from clarion.sample.ancestral import DDIMSampler, DDPMSampler
from clarion.sample.exponential import DPMpp2MSampler
from clarion.sample.heun import HeunSampler
from clarion.sample.langevin import AnnealedLangevinSampler
from clarion.verify.suite.grids import examine_grid_as
from clarion.verify.suite.guidance import KNOWN_ANSWERS, examine_guidance
from clarion.verify.suite.parametrizations import examine_parametrization
from clarion.verify.suite.processes import DEFINITIONS, NOISE_LEVELS, examine_process_as
from clarion.verify.suite.samplers import _point_findings, examine_sampler
from clarion.verify.suite.savings import saving_findings


def failing(report):
    return {finding.what for finding in report.failures}


class HalfTheCorrection(DPMpp2MSampler):
    """The weight of the older estimate halved: the slip that makes 2M a method of order 1."""

    def updates(self, levels):
        return [
            replace(u, weights=(u.weights[0] + u.weights[1] / 2, u.weights[1] / 2))
            if len(u.weights) == 2
            else u
            for u in super().updates(levels)
        ]


class HiddenClipping(HeunSampler):
    """The estimate clipped to [-1, 1], as for pictures."""

    def step(self, stage, state, estimate, noise):
        return super().step(stage, state, Estimate(estimate.mean.clamp(-1, 1)), noise)


class WrongLevel(DDIMSampler):
    """Each step takes the coefficients of the next one: an index off by one."""

    def updates(self, levels):
        updates = super().updates(levels)
        return [
            replace(u, keep=v.keep, weights=v.weights)
            for u, v in zip(updates, [*updates[1:], updates[-1]], strict=True)
        ]


class TooLittleNoise(DDPMSampler):
    """The fresh noise 5 % too small."""

    def updates(self, levels):
        return [replace(u, noise=0.95 * u.noise) for u in super().updates(levels)]


class BatchMean(HeunSampler):
    """Each step centres the batch."""

    def step(self, stage, state, estimate, noise):
        x, *history = super().step(stage, state, estimate, noise)
        return (x - 0.01 * x.mean(0), *history)


class StaleHistory(DPMpp2MSampler):
    """The two estimates in the wrong order."""

    def updates(self, levels):
        return [replace(u, weights=u.weights[::-1]) for u in super().updates(levels)]


class ShiftedCoefficient(DDIMSampler):
    """Each step keeps a thousandth too little of the state."""

    def updates(self, levels):
        return [replace(u, keep=0.999 * u.keep) for u in super().updates(levels)]


class ExtrapolatesToData(DPMpp2MSampler):
    """The last step takes two estimates like any other."""

    def updates(self, levels):
        *first, last = super().updates(levels)
        return [*first, replace(last, weights=(1.5, -0.5))] if levels[-1] == 0 else [*first, last]


class NoiseOfTheLevelBefore(AnnealedLangevinSampler):
    """The first step at a level still takes the noise of the last one."""

    def updates(self, levels):
        updates = super().updates(levels)
        return [
            replace(u, noise=before.noise)
            for u, before in zip(updates, [updates[0], *updates], strict=False)
        ]


@pytest.mark.parametrize(
    ("sampler", "property_that_fails"),
    [
        (HalfTheCorrection(), "order"),
        (HiddenClipping(), "order"),
        (HiddenClipping(), "Wasserstein distance along an axis"),
        (WrongLevel(), "error of the noise on data of one point"),
        (TooLittleNoise(), "error of the variance in the limit of small steps"),
        (BatchMean(), "effect of the other rows of the batch"),
        (StaleHistory(), "order"),
        (ShiftedCoefficient(), "order"),
        (ExtrapolatesToData(), "error of the last step, the newest estimate itself"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, AffineSampler) else value,
)
def test_a_faulty_sampler_is_caught(sampler, property_that_fails):
    assert property_that_fails in failing(examine_sampler("faulty", sampler))


def rule_of(wrapper):
    """A rule that wraps a denoiser so."""

    @dataclass(frozen=True)
    class Rule(Guidance):
        def __call__(self, denoiser):
            return wrapper(denoiser)

        def steer(self, denoiser, x_t, t, condition, visit):
            raise AssertionError("the wrapper does it")

    return Rule()


def test_a_wrong_index_within_langevin_dynamics_is_caught():
    (mean, noise) = _point_findings("annealed_langevin", NoiseOfTheLevelBefore())
    assert mean.passed
    assert not noise.passed


class CoupledOverTheBatch(DenoiserWrapper):
    """The step sized by a norm over the whole batch."""

    def forward(self, x_t, t, condition=None):
        absent, given = (self.inner(x_t, t, c).mean for c in (condition.drop(), condition))
        difference = given - absent
        return Estimate(absent + 3 * difference * len(x_t) / (len(x_t) + difference.norm()))


class CountedFromTheConditional(DenoiserWrapper):
    """guidance_scale taken for w, at which 0 is the plain conditional model."""

    def forward(self, x_t, t, condition=None):
        absent, given = (self.inner(x_t, t, c).mean for c in (condition.drop(), condition))
        return Estimate(given + 3 * (given - absent))


class StepsAside(DenoiserWrapper):
    """It says that it has no effect early on, and has one."""

    def forward(self, x_t, t, condition=None):
        return CFG(3.0)(self.inner)(x_t, t, condition)

    def at(self, visit):
        return self.inner if visit.t > 0.5 else self


@pytest.mark.parametrize(
    ("wrapper", "property_that_fails"),
    [
        (CoupledOverTheBatch, "effect of the other rows of the batch"),
        (CountedFromTheConditional, "error of the score against its closed form"),
        (StepsAside, "difference between at(t) and the rule itself"),
    ],
)
def test_a_faulty_rule_is_caught(wrapper, property_that_fails):
    (answer,) = (a for a in KNOWN_ANSWERS["cfg"] if a.setting == "cfg:3")
    report = examine_guidance("faulty", CFG, [replace(answer, rule=rule_of(wrapper))])
    assert property_that_fails in failing(report)


@pytest.mark.parametrize(
    ("gamma", "where"), [(-1.0, "while noise hides the classes"), (0.998, None), (1.0, "seen")]
)
def test_adaptive_guidance_that_rests_too_early_or_never_is_caught(gamma, where):
    findings = saving_findings("faulty", Adaptive(3.0, gamma), "edm", EDM())
    failures = [finding.what for finding in findings if not finding.passed]
    assert len(failures) == (where is not None)
    assert all(failure.endswith(str(where)) for failure in failures)


def test_an_interval_without_its_ends_is_caught():
    class WithoutEnds(DenoiserWrapper):
        def forward(self, x_t, t, condition=None):
            rule = CFG(3.0, t_low=0.3 + 2e-6, t_high=0.6 - 2e-6)
            return rule(self.inner)(x_t, t, condition)

    (answer,) = (a for a in KNOWN_ANSWERS["cfg"] if "@" in a.setting)
    report = examine_guidance("faulty", CFG, [replace(answer, rule=rule_of(WithoutEnds))])
    assert failing(report) == {"error of the score against its closed form"}


class WrongInverse(VPLinear):
    """time_of a little off."""

    def time_of(self, log_snr):
        return 0.999 * super().time_of(log_snr) + 1e-6


class DataLeft(VPLinear):
    """It stops where the data still shine through."""

    t_max = 0.5


@pytest.mark.parametrize(
    ("process", "property_that_fails"),
    [
        (WrongInverse(), "error of time_of as the inverse of log_snr"),
        (DataLeft(t_max=0.5), "data left in the noise at t_max"),
        (VPLinear(beta_max=39.9), "error of alpha and sigma against the paper"),
        (VPLinear(t_min=1e-2), "error of the noise levels at the ends"),
    ],
    ids=["wrong_inverse", "data_left", "half_forgotten", "ends_early"],
)
def test_a_faulty_process_is_caught(process, property_that_fails):
    assert property_that_fails in failing(
        examine_process_as("faulty", process, DEFINITIONS["vp_linear"], NOISE_LEVELS["vp_linear"])
    )


class StartsLate(Grid):
    """The first time left out."""

    def times(self, process, num_steps):
        return GRIDS["karras"]().times(process, num_steps + 1)[1:]


@pytest.mark.parametrize(
    ("grid", "property_that_fails"),
    [
        (StartsLate(), "distance of the start from t_max"),
        (GRIDS["karras"](rho=3.0), "error of the times against their definition"),
        (GRIDS["karras"](sigma_min=0.02), "error of the times against their definition"),
    ],
    ids=["starts_late", "another_power", "stops_early"],
)
def test_a_faulty_grid_is_caught(grid, property_that_fails):
    assert property_that_fails in failing(examine_grid_as("faulty", grid, "karras"))


def test_a_prediction_of_the_wrong_sign_is_caught():
    def wrong(alpha, sigma, sigma_data):
        skip, out = PARAMETRIZATIONS["v"](alpha, sigma, sigma_data)
        return skip, -out

    assert failing(examine_parametrization("v", wrong)) == {"error of x0"}
