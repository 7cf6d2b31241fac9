import numpy as np
import pytest

from clarion.guide.gradient.reward import Reward
from clarion.lab.experiments import optimisation
from clarion.lab.experiments.optimisation import Optimisation

ROUNDS = (2, 4, 8, 16)
SMALL = Optimisation(rounds=ROUNDS, num_steps=32)
P = SMALL.penalty
V = 0.5 ** np.arange(SMALL.rank)
BEST = np.sqrt(V)


def failed(outcome):
    return {finding.subject for finding in outcome.findings if not finding.passed}


@pytest.fixture(scope="module")
def outcome():
    return SMALL.run()


def lines(outcome):
    """The predicted lines: not refitted, refitted."""
    return [series.y for series in outcome.chart.series if series.role == "predicted"]


def sub_optimality(mean):
    return ((BEST - mean) ** 2).sum() / 2


def test_what_was_predicted_is_found(outcome):
    assert failed(outcome) == set()


def test_refitting_is_predicted_to_be_gradient_ascent(outcome):
    mean, gaps = np.zeros_like(V), {}
    for k in range(1, max(ROUNDS) + 1):
        mean = mean + V * (BEST - mean) / P
        gaps[k] = sub_optimality(mean)
    assert lines(outcome)[1] == pytest.approx([gaps[k] for k in ROUNDS], rel=1e-12)


def test_without_it_the_regularised_optimum_is_predicted(outcome):
    mean, gaps = np.zeros_like(V), {}
    for k in range(1, max(ROUNDS) + 1):
        mean = V * (BEST - mean) / P
        gaps[k] = sub_optimality(mean)
    assert lines(outcome)[0] == pytest.approx([gaps[k] for k in ROUNDS], rel=1e-12)
    # The maximum of -|x - x*|² / 2 - P xᵀ V⁻¹ x / 2, where its gradient is 0.
    regularised = np.linalg.solve(np.eye(len(V)) + P * np.diag(1 / V), BEST)
    assert gaps[ROUNDS[-1]] == pytest.approx(sub_optimality(regularised), rel=1e-4)


def test_the_bound_is_that_of_gradient_ascent_from_the_mean_of_the_data(outcome):
    bound = next(series.y for series in outcome.chart.series if series.role == "bound")
    assert bound == pytest.approx([P * SMALL.rank / (2 * k) for k in ROUNDS])  # c² / v is 1


def test_a_model_that_is_never_refitted_is_found_out(monkeypatch):
    plain = Optimisation._denoiser
    monkeypatch.setattr(Optimisation, "_denoiser", lambda self, mean: plain(self, 0 * mean))
    assert failed(SMALL.run()) == {"refitted"}


def test_guidance_that_does_not_look_ahead_is_found_out(monkeypatch):
    def naive(*args):
        return Reward(*args, gradient="detached")

    monkeypatch.setattr(optimisation, "Reward", naive)
    assert "both" in failed(Optimisation(rounds=(1, 2, 4), num_steps=16).run())


def test_guidance_of_another_strength_is_found_out(monkeypatch):
    def stronger(fn, scale):
        return Reward(fn, 1.2 * scale)

    monkeypatch.setattr(optimisation, "Reward", stronger)
    assert failed(SMALL.run()) == {"refitted", "not refitted"}
