import math

import numpy as np
import pytest
import torch

from clarion.guide import CFG
from clarion.lab import EXPERIMENTS
from clarion.lab.experiments import guidance_confidence
from clarion.lab.experiments.guidance_confidence import (
    HIGH,
    MIDDLE,
    GuidanceConfidence,
    centre_growth,
    three_classes,
)
from clarion.lab.quantiles import entropy, normal_quantiles

SMALL = GuidanceConfidence(scales=(1.0, 2.0, 8.0, 24.0), num_points=401, train_steps=1000)


def test_the_closed_form_at_the_centre_is_the_integral_of_the_contraction():
    # log p(c | y) = -log(1 + 2 u cosh(a y)), a = 2 / (1 + v), u = exp(-2 / (1 + v)).
    v = np.exp(np.linspace(math.log(1e-9), math.log(1e9), 200_001))
    u, a = np.exp(-2 / (1 + v)), 2 / (1 + v)
    curvature = -2 * u * a**2 / (1 + 2 * u)
    contraction = np.trapezoid(-curvature / 2, v)
    assert abs(centre_growth(three_classes(), 4.0) - 3 * contraction) < 1e-6


def test_the_plain_conditional_flow_gives_the_class_itself():
    samples = GuidanceConfidence(scales=(1.0,), num_points=101)._guided(three_classes(), HIGH)
    # The start at noise level 200 lacks the mean 2; 2e-3: 150 steps of order 2.
    expected = 2 + (200 * normal_quantiles(101) - 2) / math.sqrt(1 + 200**2)
    torch.testing.assert_close(samples[0], expected, rtol=0, atol=2e-3)


@pytest.mark.parametrize("scale", [2.0, 5.0])
def test_the_guided_flow_is_that_of_an_independent_integration(scale):
    # dy/dv = -(score of the class + (scale - 1) grad log p(c | y)) / 2, by Runge-Kutta in log v.
    def velocity(y, v):
        towards = np.exp(-(np.array([-2.0, 0.0, 2.0])[:, None] ** 2) / (2 * (1 + v))) * np.exp(
            np.array([-2.0, 0.0, 2.0])[:, None] * y / (1 + v)
        )
        shares = towards / towards.sum(0)
        pull = (2 - 2 * shares[2] + 2 * shares[0]) / (1 + v)  # grad log p(c | y) of the last class
        return -((2 - y) / (1 + v) + (scale - 1) * pull) / 2

    z = normal_quantiles(21).numpy()
    y, grid = 200 * z, np.linspace(math.log(4e4), math.log(1e-6), 2001)
    h = grid[1] - grid[0]
    for w in grid[:-1]:
        k1 = math.exp(w) * velocity(y, math.exp(w))
        k2 = math.exp(w + h / 2) * velocity(y + h / 2 * k1, math.exp(w + h / 2))
        k3 = math.exp(w + h / 2) * velocity(y + h / 2 * k2, math.exp(w + h / 2))
        k4 = math.exp(w + h) * velocity(y + h * k3, math.exp(w + h))
        y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    fine = GuidanceConfidence(scales=(scale,), num_points=21, num_steps=600)
    samples = fine._guided(three_classes(), HIGH)[0]
    torch.testing.assert_close(samples, torch.from_numpy(y), rtol=0, atol=1e-3)


def test_a_small_run_finds_what_theory_says():
    findings = SMALL.run().findings
    assert len(findings) == 10
    assert all(finding.passed for finding in findings), "\n".join(map(str, findings))


def test_the_split_is_the_samplers_own():
    enough = GuidanceConfidence(scales=(1.0, 24.0), num_points=201, few_steps=60)
    few = enough._guided(three_classes(), MIDDLE, num_steps=60)
    assert not enough._split_findings(few, few)[1].passed


def test_guidance_away_from_the_class_is_found_out(monkeypatch):
    monkeypatch.setattr(guidance_confidence, "CFG", lambda scale: CFG(2 - scale))
    exact = three_classes()
    weak = GuidanceConfidence(scales=(1.0, 1.5), num_points=101)
    samples = weak._guided(exact, HIGH)
    confidence = guidance_confidence._confidence(exact, samples)
    assert not guidance_confidence._least_change("flow", "p", confidence).passed
    assert not weak._entropy_falls("flow", samples).passed


def test_another_meaning_of_the_scale_is_found_out(monkeypatch):
    # Ho & Salimans write 1 + w for guidance_scale.
    monkeypatch.setattr(guidance_confidence, "CFG", lambda scale: CFG(1 + scale))
    exact = three_classes()
    assert not SMALL._centre_finding(exact, SMALL._guided(exact, MIDDLE)).passed


def test_a_network_that_learnt_nothing_is_found_out():
    exact = three_classes()
    small = GuidanceConfidence(scales=(1.0, 2.0), num_points=101, train_steps=1)
    trained = small._guided(small._train(exact), HIGH)
    findings = small._trained_findings(exact, trained, small._guided(exact, HIGH))
    assert not all(finding.passed for finding in findings)


def test_training_is_a_function_of_the_seed():
    small = GuidanceConfidence(scales=(2.0,), num_points=11, num_steps=5, train_steps=3)
    first, again = (small._guided(small._train(three_classes()), HIGH) for _ in range(2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)


def test_the_class_has_the_entropy_of_a_unit_normal():
    z = normal_quantiles(201)
    samples = GuidanceConfidence(scales=(1.0,), num_points=201)._guided(three_classes(), HIGH)[0]
    assert abs(entropy(samples, z) - 0.5 * math.log(2 * math.pi * math.e)) < 1e-3


def test_it_has_a_name():
    assert EXPERIMENTS["guidance_confidence"] is GuidanceConfidence
