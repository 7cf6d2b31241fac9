"""Twisted particles: the effective number of particles, against its closed form.

On Gaussian data each step of DDPM is affine in the noises z, the reward is a polynomial of degree 2
and so is the log weight, log w = c + b z + z A z. Then with independent particles

    E w^q = exp(q c + q² b (1 - 2 q A)⁻¹ b / 2) / sqrt(det(1 - 2 q A)),

and of many particles the share (E w)² / E w² is effective.
"""

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.denoise import DenoiserWrapper
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide.gradient.reward import Reward
from clarion.guide.limit import Clip
from clarion.process import EDM
from clarion.sample import ParticleSampler, sample
from clarion.sample.ancestral import DDIMSampler, DDPMSampler
from clarion.sample.dpmpp_sde import DPMpp2MSDESampler
from clarion.sample.heun import EDMSampler
from clarion.sample.repaint import RePaintSampler

PROCESS = EDM(sigma_max=100.0)
MEAN, VARIANCE = 0.7, 1.5


def levels_of(num_steps):
    return torch.logspace(1.6, -1.2, num_steps, dtype=torch.float64)


@dataclass
class Sum:
    """The sum over the elements of slope x - curvature (x - at)² / 2."""

    slope: float = 0.0
    curvature: float = 0.0
    at: float = 2.0

    def __call__(self, x0, condition):
        return (self.slope * x0 - self.curvature * (x0 - self.at) ** 2 / 2).sum(1)


def polynomial(reward, scale, num_steps, strength):
    """c, b and A of the log weight of one element; its x0 as a mean and a vector by z.

    Args:
        strength: (s, s', deviation of the fresh noise) -> d over what steering adds to the score.
    """
    s = [*levels_of(num_steps).tolist(), 0.0]
    start, *fresh = torch.eye(num_steps, dtype=torch.float64)  # each normal number by itself
    c, b, A = 0.0, torch.zeros_like(start), torch.zeros(num_steps, num_steps, dtype=start.dtype)
    y, y_b = 0.0, s[0] * start
    for k, z_b in enumerate([*fresh, None]):
        gain = VARIANCE / (VARIANCE + s[k] ** 2)
        mean, mean_b = MEAN + gain * (y - MEAN), gain * y_b
        if z_b is None:
            break
        carry = (s[k + 1] / s[k]) ** 2
        noise = s[k + 1] * math.sqrt(1 - carry)
        pull = strength(s[k], s[k + 1], noise) * scale * gain
        d = pull * (reward.slope - reward.curvature * (mean - reward.at))
        d_b = -pull * reward.curvature * mean_b
        # log N(z + d) - log N(z) = -z d - d² / 2
        c, b = c - d**2 / 2, b - d * (z_b + d_b)
        A = A - torch.outer(z_b, d_b) / 2 - torch.outer(d_b, z_b) / 2 - torch.outer(d_b, d_b) / 2
        y = carry * y + (1 - carry) * mean + noise * d
        y_b = carry * y_b + (1 - carry) * mean_b + noise * (z_b + d_b)
    off = mean - reward.at
    c = c + scale * (reward.slope * mean - reward.curvature * off**2 / 2)
    b = b + scale * (reward.slope - reward.curvature * off) * mean_b
    A = A - scale * reward.curvature * torch.outer(mean_b, mean_b) / 2
    return c, b, A, mean, mean_b


def log_moment(c, b, A, q):
    """log E w^q, infinite where the integral is."""
    inner = torch.eye(len(b), dtype=b.dtype) - 2 * q * A
    if torch.linalg.eigvalsh(inner).min() <= 0:
        return math.inf
    return float(q * c + q**2 * b @ torch.linalg.solve(inner, b) / 2 - torch.logdet(inner) / 2)


def effective_share(reward, scale, num_steps, strength, dim):
    c, b, A, *_ = polynomial(reward, scale, num_steps, strength)
    return math.exp(dim * (2 * log_moment(c, b, A, 1) - log_moment(c, b, A, 2)))


def none(s, s_next, noise):
    return 0.0


def ours(s, s_next, noise):
    return noise * s / s_next


def whole(s, s_next, noise):
    """The step of the sampler itself, with D' for D."""
    return (s**2 - s_next**2) / noise


def drawn(sampler, denoiser, num_steps, dim, n):
    times = PROCESS.time_of_noise_level(levels_of(num_steps))
    times = torch.cat([times, times.new_zeros(1)])
    return sample(denoiser, (dim,), n=n, sampler=sampler, times=times, dtype=torch.float64)


def data(dim):
    return GaussianDenoiser(PROCESS, [MEAN] * dim, VARIANCE * torch.eye(dim))


def measured_share(reward, scale, num_steps, dim, share=1.0, count=1024):
    """Of 16 samples' particles, without resampling; `share` of the scale also steers."""
    told = []
    sampler = ParticleSampler(
        reward, scale, count, ess_threshold=0.0, report=lambda *values: told.append(values)
    )
    drawn(sampler, Reward(reward, share * scale)(data(dim)), num_steps, dim, 16)
    return float(told[-1][1].mean()) / count


LINEAR, SQUARE = Sum(slope=1.0), Sum(curvature=1.0)


@pytest.mark.parametrize("strength", [none, ours, whole])
def test_the_mean_weight_is_that_of_the_tilted_law(strength):
    """E w = E exp(scale r(x0)) without steering; so the polynomial itself is right."""
    *_, mean, mean_b = polynomial(LINEAR, 0.7, 12, none)
    variance = float(mean_b @ mean_b)
    *weight, _, _ = polynomial(LINEAR, 0.7, 12, strength)
    assert log_moment(*weight, 1) == pytest.approx(0.7 * mean + 0.7**2 * variance / 2, abs=1e-9)
    *weight, _, _ = polynomial(SQUARE, 0.3, 12, strength)
    known = -((mean - 2) ** 2) / (1 / 0.3 + variance) / 2 - math.log(1 + 0.3 * variance) / 2
    assert log_moment(*weight, 1) == pytest.approx(known, abs=1e-9)


@pytest.mark.parametrize(
    ("reward", "scale", "share"),
    [
        (LINEAR, 0.5, 1.0),
        (LINEAR, 0.5, 0.5),
        (SQUARE, 0.3, 1.0),
        (SQUARE, 1.0, 0.5),
        (SQUARE, 2.0, 0.4),
        (SQUARE, 0.2, 0.0),
    ],
)
def test_the_effective_number_is_the_known_one(reward, scale, share):
    """In 8 dimensions, of 16 times 1024 particles: seen to vary by 2 % from seed to seed."""

    def strength(*step):
        return share * ours(*step)

    known = effective_share(reward, scale, 16, strength, dim=8)
    assert measured_share(reward, scale, 16, 8, share) == pytest.approx(known, rel=0.08)


def test_linear_rewards_have_constant_weights_in_the_limit_of_small_steps():
    """The variance of the log weight falls to that of the start, which nothing steers."""
    scale = 3 / math.sqrt(VARIANCE)
    lost = []
    for num_steps in (25, 50, 100, 200):
        _, b, A, *_ = polynomial(LINEAR, scale, num_steps, ours)
        assert A.abs().max() == 0
        lost.append(float(b[1:] @ b[1:]))
        assert effective_share(LINEAR, scale, num_steps, none, 1) < 2e-3  # e⁻⁹ in the limit
        assert float(b @ b) < 1e-2 + 200 / num_steps**2
    assert lost[0] / lost[2] > 3.5**2  # second order: four times the steps, a sixteenth
    assert lost[1] / lost[3] > 3.5**2
    assert measured_share(LINEAR, scale, 100, 1, count=512) > 0.95


@pytest.mark.parametrize("num_steps", [8, 16, 32, 64, 128])
@pytest.mark.parametrize("reward", [LINEAR, SQUARE])
def test_more_stay_effective_than_with_the_steered_estimate_itself(reward, num_steps):
    shares = [effective_share(reward, 0.5, num_steps, how, 8) for how in (none, ours, whole)]
    assert shares[1] > 2 * shares[0]
    assert shares[1] > shares[2]


def test_a_sharp_reward_steers_better_at_a_part_of_its_scale():
    """The reward of the estimate D is sharper than that of what D leaves open, x0 given x_t."""
    plain, gentle, full = (
        effective_share(SQUARE, 4.0, 16, lambda *step, part=part: part * ours(*step), 8)
        for part in (0.0, 0.3, 1.0)
    )
    assert plain < 2e-4
    assert full == 0  # E w² is infinite
    assert gentle > 0.17


class Keep(ParticleSampler):
    """Leaves the particles and their weights to be looked at."""

    kept: ClassVar[list] = []

    def finish(self, state, streams):
        x, others, rewards = state[0], *state[-2:]
        self.kept[:] = [x[:, 0], (others + self.scale * rewards).exp()]
        return super().finish(state, streams)


@pytest.mark.parametrize(
    "sampler",
    [
        DDPMSampler(),
        DDIMSampler(eta=0.3),
        DPMpp2MSDESampler(),
        EDMSampler(s_churn=8.0),
        RePaintSampler(num_resamples=2, jump_length=4),
    ],
)
@pytest.mark.parametrize("share", [0.4, 1.0])
def test_no_steering_changes_the_law(sampler, share):
    """Of any sampler that draws noise; the law of the sampler alone is taken from it."""
    alone = Keep(LINEAR, 0.0, 40_000, sampler=sampler, ess_threshold=0.0)
    drawn(alone, data(1), 12, 1, 1)
    x, _ = alone.kept
    mean, variance = float(x.mean()), float(x.var())
    scale = 1 / math.sqrt(variance)
    drawn(replace(alone, scale=scale), Reward(LINEAR, share * scale)(data(1)), 12, 1, 1)
    x, weights = alone.kept
    # Four standard errors of means of 40,000, which are less with steering than without.
    known = math.exp(scale * mean + 0.5)
    error = 4 * math.sqrt(2 * math.expm1(1) / len(x))
    assert float(weights.mean()) == pytest.approx(known, rel=error)
    tilted = float((weights * x).mean()) / known
    assert tilted == pytest.approx(mean + scale * variance, abs=2 * error)


def test_steered_particles_are_resampled_without_harm():
    """Three deviations off, steered by a part of that, where 16 particles alone cannot follow."""
    *_, mean, mean_b = polynomial(LINEAR, 1.0, 32, none)
    variance = float(mean_b @ mean_b)
    scale = 3 / math.sqrt(variance)
    told = []
    sampler = ParticleSampler(LINEAR, scale, 16, report=lambda *values: told.append(values))
    plain = drawn(sampler, data(1), 32, 1, 400)[:, 0]
    assert abs(float(plain.mean()) - mean - scale * variance) > 0.3
    told.clear()
    x = drawn(sampler, Reward(LINEAR, 0.7 * scale)(data(1)), 32, 1, 400)[:, 0]
    assert any(resampled.any() for _, _, resampled in told)
    error = 4 * math.sqrt(variance / 400)
    assert abs(float(x.mean()) - mean - scale * variance) < error + 0.03
    assert abs(float(x.var()) / variance - 1) < 4 * math.sqrt(2 / 400) + 0.05


def test_what_hides_the_steering_is_refused_before_sampling():
    sampler, reward = ParticleSampler(LINEAR, 1.0, 4), Reward(LINEAR, 1.0)
    denoiser = data(1)

    class Wrapper(DenoiserWrapper):
        def forward(self, x_t, t, condition=None):
            return self.inner(x_t, t, condition)

    for outside, name in ((Clip(), "Clip"), (reward, "Reward"), (Wrapper, "a wrapper")):
        with pytest.raises(ClarionError, match=rf"the rule Reward .* {name} round it would hide"):
            sample(outside(reward(denoiser)), (1,), n=2, sampler=sampler)
        assert denoiser.num_evaluations == 0
    sample(reward(Clip()(denoiser)), (1,), n=2, sampler=sampler)
