"""The order of every sampler, measured; a sampler that is registered without being here fails."""

import math

import pytest
import torch
from gaussian_flow import MEAN, VARIANCE, observed_order, propagate

from clarion.process import PROCESSES
from clarion.sample import SAMPLERS, AffineSampler
from clarion.verify.gaussian_flow import log_uniform_levels
from clarion.verify.suite.orders import flow_errors, variants

AFFINE = {name: cls for name, cls in SAMPLERS.items() if issubclass(cls, AffineSampler)}


def deterministic_variants():
    """Each deterministic sampler with each of its starts and orders."""
    for name, cls in AFFINE.items():
        if not cls().is_stochastic:
            for options, sampler in variants(cls):
                yield pytest.param(sampler, id="-".join(map(str, (name, *options.values()))))


@pytest.mark.parametrize("sampler", list(deterministic_variants()))
@pytest.mark.parametrize("process_name", list(PROCESSES))
def test_flow_error_has_the_stated_order(sampler, process_name):
    errors = flow_errors(sampler, PROCESSES[process_name](), (64, 128))
    assert errors[-1] > 1e-12  # above the rounding of float64, so that an order can be seen
    # A fourth-order error still bends by 0.07 at these steps; the others by less.
    assert observed_order(errors) == pytest.approx(sampler.order, abs=0.1)


def decay(levels, power):
    """By how much a deviation from MEAN shrinks: ((v + s'²) / (v + s²)) ** power."""
    return ((VARIANCE + levels[-1] ** 2) / (VARIANCE + levels[0] ** 2)) ** power


def edm_decay(sampler, levels):
    """The flow's decay over each step from its raised level; noise leaves the mean as it is."""
    factor = torch.ones_like(VARIANCE)
    for i in range(len(levels) - 1):
        raised = levels[i]
        if sampler.s_tmin <= raised <= sampler.s_tmax:
            gamma = min(sampler.s_churn / (len(levels) - 1), math.sqrt(2) - 1)
            raised = min((1 + gamma) * raised, levels[0])
        factor *= ((VARIANCE + levels[i + 1] ** 2) / (VARIANCE + raised**2)).sqrt()
    return factor


def langevin_decay(delta, levels):
    """exp(-delta k / 2) at each level, k = s² / (v + s²): Langevin dynamics in continuous time."""
    k = [s**2 / (VARIANCE + s**2) for s in levels]
    return torch.exp(-delta / 2 * sum(k))


# Name -> (options that refine along with the grid, decay of the mean in the limit).
# The reverse SDE with eta² times its noise has the decay's power (1 + eta²) / 2.
WEAK = {
    "ddpm": (lambda n: {}, lambda s, levels: decay(levels, 1.0)),
    "euler_ancestral": (
        lambda n: {"eta": 0.6},
        lambda s, levels: decay(levels, (1 + 0.6**2) / 2),
    ),
    "dpmpp_2m_sde": (lambda n: {"eta": 0.7}, lambda s, levels: decay(levels, (1 + 0.7) / 2)),
    "edm": (lambda n: {"s_churn": 3.0}, edm_decay),
    "predictor_corrector": (
        lambda n: {"snr": n**-0.5, "corrector_steps": 2},
        lambda s, levels: decay(levels, 1.0) * langevin_decay(2 * 2 * s.snr**2, levels[1:]),
    ),
    "repaint": (  # every step twice
        lambda n: {"num_resamples": 2, "jump_length": 8},
        lambda s, levels: decay(levels, 1.0) ** 2,
    ),
}


def weak_errors(name, num_steps):
    options, mean_decay = WEAK[name]
    sampler = SAMPLERS[name](**options(num_steps))
    levels = log_uniform_levels(2.0, 0.5, num_steps)
    # The marginal at the first level, but with its mean moved, which the sampler must bring back.
    mean, variance = propagate(sampler, levels, MEAN + 1, VARIANCE + levels[0] ** 2)
    mean_error = mean - MEAN - mean_decay(sampler, levels)
    variance_error = variance - VARIANCE - levels[-1] ** 2
    return float(mean_error.abs().max()), float(variance_error.abs().max())


@pytest.mark.parametrize("name", list(WEAK))
def test_mean_and_variance_have_the_stated_weak_order(name):
    order = SAMPLERS[name](**WEAK[name][0](1)).order
    errors = [weak_errors(name, num_steps) for num_steps in (256, 512)]
    means, variances = zip(*errors, strict=True)
    # DDPM's mean is exact at any step: y' is drawn from the posterior around E[x0 | y].
    assert means[-1] < 1e-12 or observed_order(list(means)) == pytest.approx(order, abs=0.1)
    assert observed_order(list(variances)) == pytest.approx(order, abs=0.1)


def test_every_registered_sampler_is_measured():
    deterministic = {name for name, cls in AFFINE.items() if not cls().is_stochastic}
    elsewhere = {"annealed_langevin"}  # its order is in its step size: test_langevin.py
    assert deterministic | set(WEAK) | elsewhere == set(AFFINE)
