import math

import numpy as np
import pytest
import torch

from clarion.base.condition import encode_condition
from clarion.base.streams import SampleStreams
from clarion.denoise import Visit
from clarion.guide import CFG
from clarion.lab import EXPERIMENTS
from clarion.lab.experiments import cfg_variance
from clarion.lab.experiments.cfg_variance import (
    CENTRE,
    CentredDenoiser,
    CFGVariance,
    flow_variance,
    read_affine,
    sde_variance,
    tilted_variance,
)
from clarion.process import Flow, VPCosine
from clarion.sample import sample
from clarion.sample.ancestral import DDIMSampler
from clarion.verify.gaussian_flow import propagate

SMALL = CFGVariance(scales=(0.0, 1.0, 2.0, 4.0), num_steps=(64, 128, 256))


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_the_closed_forms_solve_the_equations_of_flow_and_sde(scale):
    # dVar/dv along falling noise variance v, by Runge-Kutta in log v; nothing of Clarion's in it.
    def rate(u, variances):
        v = math.exp(u)
        pull = scale / (1 + v) - (scale - 1) / (2 + v)
        flow, sde = variances
        return v * np.array([pull * flow, 2 * pull * sde - 1])

    start, end = math.log(1e7), math.log(1e-9)
    grid = np.linspace(start, end, 4001)
    variances, h = np.array([1e7, 1e7]), grid[1] - grid[0]
    for u in grid[:-1]:
        k1 = rate(u, variances)
        k2 = rate(u + h / 2, variances + h / 2 * k1)
        k3 = rate(u + h / 2, variances + h / 2 * k2)
        k4 = rate(u + h, variances + h * k3)
        variances = variances + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    # 1e-5: the start at v = 1e7 is off by a few 1e-7 of itself, Runge-Kutta by less.
    np.testing.assert_allclose(variances, [flow_variance(scale), sde_variance(scale)], rtol=1e-5)


def test_the_tilted_density_has_the_variance_stated():
    x = np.linspace(-30, 30, 60001)
    log_density = -3 * x**2 / 2 + 2 * x**2 / 4  # N(0, 1)^3 N(0, 2)^-2
    density = np.exp(log_density)
    assert abs((density * x**2).sum() / density.sum() - tilted_variance(3.0)) < 1e-9


@pytest.mark.parametrize("process", [VPCosine(), Flow()])
@pytest.mark.parametrize("given", [{}, {CENTRE: [0.75]}])
def test_the_denoiser_obeys_tweedies_formula(process, given):
    denoiser = CentredDenoiser(process)
    x = torch.linspace(-3, 3, 7, dtype=torch.float64)[:, None].requires_grad_()
    t = torch.full((7,), 0.4, dtype=torch.float64)
    alpha, sigma = process.alpha(t[0]), process.sigma(t[0])
    centre, variance = (0.75, 1.0) if given else (0.0, 2.0)
    log_density = -((x - alpha * centre) ** 2) / (2 * (alpha**2 * variance + sigma**2))
    score = torch.autograd.grad(log_density.sum(), x)[0]
    mean = denoiser(x.detach(), t, encode_condition(denoiser.condition_spec, given, 7)).mean
    torch.testing.assert_close(mean, (x + sigma**2 * score).detach() / alpha, rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, 1.0, 3.0])
def test_what_is_propagated_is_what_the_rule_returns(scale):
    guided = CFG(scale)(CentredDenoiser(Flow()))
    spec = {CENTRE: [0.5]}
    for t in (0.05, 0.5, 0.95):
        level = float(Flow().noise_level(torch.tensor(t, dtype=torch.float64)))
        condition = encode_condition(CentredDenoiser(Flow()).condition_spec, spec, 2)
        gain, offset = read_affine(guided, condition)(level)
        y = torch.tensor([[-7.0], [3.0]], dtype=torch.float64)
        times = torch.full((2,), t, dtype=torch.float64)
        expected = guided.at(Visit(t))((1 - t) * y, times, condition).mean
        torch.testing.assert_close(gain * y + offset, expected, rtol=0, atol=1e-12)


def test_the_loop_gives_the_variance_that_is_propagated():
    process, scale = VPCosine(), 3.0
    guided = CFG(scale)(CentredDenoiser(process))
    times = torch.linspace(0.95, 0.1, 30, dtype=torch.float64)
    condition = encode_condition(guided.inner.condition_spec, {CENTRE: [0.0]}, 2)
    x = sample(
        guided, (1,), n=2, condition=condition, sampler="ddim", times=times, dtype=torch.float64
    )
    noise = SampleStreams(0, range(2)).normal((1,), dtype=torch.float64)
    levels = process.noise_level(times).tolist()
    start = torch.tensor([levels[0] ** 2], dtype=torch.float64)
    estimate = read_affine(guided, condition)
    _, variance = propagate(DDIMSampler(), levels, estimate, 0 * start, start)
    deviation = (x / process.alpha(times[-1]) / noise).flatten()
    torch.testing.assert_close(deviation**2, variance.expand(2), rtol=1e-9, atol=0)


def test_a_small_run_finds_what_theory_says():
    findings = SMALL.run().findings
    assert len(findings) == 8
    assert all(finding.passed for finding in findings), "\n".join(map(str, findings))


def test_another_meaning_of_the_scale_is_found_out(monkeypatch):
    # Ho & Salimans write 1 + w for guidance_scale.
    monkeypatch.setattr(cfg_variance, "CFG", lambda scale: CFG(1 + scale))
    assert not any(f.passed for f in SMALL.run().findings if "error" in f.what)


def test_a_lost_noise_term_is_found_out(monkeypatch):
    def without_noise(sampler, levels, estimate, mean, variance):
        return propagate(DDIMSampler(), levels, estimate, mean, variance)

    monkeypatch.setattr(cfg_variance, "propagate", without_noise)
    assert any(f.subject == "ddpm" and not f.passed for f in SMALL.run().findings)


def test_it_has_a_name():
    assert EXPERIMENTS["cfg_variance"] is CFGVariance
