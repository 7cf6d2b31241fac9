import pytest
import torch
from torch.distributions import MultivariateNormal

from clarion.base.condition import encode_condition
from clarion.guide import CFG
from clarion.lab import EXPERIMENTS
from clarion.lab.experiments import guidance_any_data
from clarion.lab.experiments.guidance_any_data import (
    GuidanceAnyData,
    _ratio,
    _squared_gradient,
    mixtures,
)
from clarion.process import Flow

SMALL = GuidanceAnyData(scales=(1.0, 3.0, 8.0), num_samples=800, num_steps=60)


def shares_and_normals(denoiser, t):
    """Weights and noised components, from torch's own distributions."""
    normals = denoiser.normals
    eye = torch.eye(denoiser.dim, dtype=torch.float64)
    noised = MultivariateNormal(
        (1 - t) * normals.mean, (1 - t) ** 2 * normals.covariance() + t**2 * eye
    )
    return denoiser.log_weights, noised


def log_class_posterior(denoiser, x, t):
    log_weights, normals = shares_and_normals(denoiser, t)
    log_joint = log_weights + normals.log_prob(x.unsqueeze(1))
    is_asked = denoiser.allowed[0]
    return log_joint[:, is_asked].logsumexp(1) - log_joint.logsumexp(1)


@pytest.mark.parametrize("name", list(mixtures(Flow())))
def test_ratio_and_gradient_are_those_of_the_class_posterior(name):
    denoiser, t = mixtures(Flow())[name], 0.3
    x = torch.randn(6, denoiser.dim, generator=torch.Generator().manual_seed(0)).double()
    x.requires_grad_()
    log_posterior = log_class_posterior(denoiser, x, t)
    score = torch.autograd.grad(log_posterior.sum(), x)[0] * (1 - t)  # in y = x / alpha
    x = x.detach()
    share = denoiser.log_weights.exp()[denoiser.allowed[0]].sum()
    condition = encode_condition(denoiser.condition_spec, {"label": 0}, 6)
    torch.testing.assert_close(_ratio(denoiser, x, t), (share / log_posterior.exp()).detach())
    v = (t / (1 - t)) ** 2
    squared = _squared_gradient(denoiser, x, t, v, condition)
    torch.testing.assert_close(squared, score.square().sum(1), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", list(mixtures(Flow())))
def test_the_average_can_be_taken_and_is_one_without_guidance(name):
    # Its square has a finite mean where no other component is sqrt(2) times as wide as the asked.
    denoiser = mixtures(Flow())[name]
    variances = torch.linalg.eigvalsh(denoiser.normals.covariance())
    is_asked = denoiser.allowed[0]
    assert variances[~is_asked].max() < 2 * variances[is_asked].min()
    x = denoiser.sample(
        200_000,
        torch.Generator().manual_seed(0),
        encode_condition(denoiser.condition_spec, {"label": 0}, 200_000),
    )
    ratio = _ratio(denoiser, x, 0.0)
    assert abs(float(ratio.mean()) - 1) < 4 * float(ratio.std()) / 200_000**0.5


def test_a_small_run_finds_what_theory_says():
    findings = SMALL.run().findings
    assert len(findings) == 16
    assert all(finding.passed for finding in findings), "\n".join(map(str, findings))


def test_guidance_away_from_the_class_is_found_out(monkeypatch):
    monkeypatch.setattr(guidance_any_data, "CFG", lambda scale: CFG(2 - scale))
    failed = [f for f in SMALL.run().findings if "worst scale" in f.what and not f.passed]
    assert len(failed) == 4


def test_another_meaning_of_the_scale_is_found_out(monkeypatch):
    # Ho & Salimans write 1 + w for guidance_scale: then 1 is guided.
    monkeypatch.setattr(guidance_any_data, "CFG", lambda scale: CFG(1 + scale))
    failed = [f for f in SMALL.run().findings if "without guidance" in f.what and not f.passed]
    assert len(failed) == 4


def test_it_has_a_name():
    assert EXPERIMENTS["guidance_any_data"] is GuidanceAnyData
