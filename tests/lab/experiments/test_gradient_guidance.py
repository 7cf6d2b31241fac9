import pytest

from clarion.guide.gradient.reward import Reward
from clarion.lab.experiments import gradient_guidance
from clarion.lab.experiments.gradient_guidance import GradientGuidance

SMALL = GradientGuidance(strengths=(0.5, 4.0), num_steps=48)


def failed(outcome):
    return {
        (finding.subject, finding.setting) for finding in outcome.findings if not finding.passed
    }


def integrate(estimate, start, end, num_steps=4000):
    """dy/ds = (y - D(s)) / s from y = 0 by the classical method of Runge and Kutta."""
    y, s, h = 0.0, start, (end - start) / num_steps

    def slope(y, s):
        return (y - estimate(s)) / s

    for _ in range(num_steps):
        k1 = slope(y, s)
        k2 = slope(y + h / 2 * k1, s + h / 2)
        k3 = slope(y + h / 2 * k2, s + h / 2)
        k4 = slope(y + h * k3, s + h)
        y, s = y + h * (k1 + 2 * k2 + 2 * k3 + k4) / 6, s + h
    return y


@pytest.mark.parametrize(
    ("estimate", "predicted"),
    [(lambda s: 2.0, 2.0 * (1 - 1 / 80)), (lambda s: 2.0 * s**2, 2.0 * 1 * (80 - 1))],
)
def test_the_flow_across_the_subspace_is_solved_by_the_formulas(estimate, predicted):
    assert integrate(estimate, 80.0, 1.0) == pytest.approx(predicted, rel=1e-8)


def test_what_was_predicted_is_found():
    outcome = SMALL.run()
    assert failed(outcome) == set()
    lines = [s.y for s in outcome.chart.series if s.role == "predicted"]
    assert lines[0] == pytest.approx([0.5 * 79, 4.0 * 79])  # the second formula above


def test_guidance_that_does_not_look_ahead_is_found_out(monkeypatch):
    def naive(fn, scale, gradient, added_to):
        return Reward(fn, scale, "detached", added_to)

    monkeypatch.setattr(gradient_guidance, "Reward", naive)
    subjects = {subject for subject, _ in failed(SMALL.run())}
    assert subjects == {"through the denoiser"}


def test_guidance_of_another_strength_is_found_out(monkeypatch):
    def stronger(fn, scale, *settings):
        return Reward(fn, 1.1 * scale, *settings)

    monkeypatch.setattr(gradient_guidance, "Reward", stronger)
    wrong = failed(SMALL.run())
    assert ("through the denoiser", "the score") in wrong
    assert ("naive guidance", "the mean: at the end") in wrong
