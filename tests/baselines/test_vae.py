"""The bound of a VAE, against the likelihood of a model in which both are known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.baselines.vae import VAE, Autoencoder, EvidenceObjective
from clarion.nets import UNetConfig
from clarion.run.baseline_config import BaselineConfig

SIGMA = 0.6
TINY = UNetConfig(
    base_channels=8, channel_multipliers=(1, 2), blocks_per_level=1, attention_levels=()
)
SPEC = {"label": ClassEntry(2, dropout=0.0)}
NOTHING = encode_condition({}, {}, 5)


class Linear(nn.Module):
    """Probabilistic PCA, x = W z + m + sigma noise, with the posterior of z or any other q.

    The columns of W are orthogonal, so that the posterior's numbers are independent of each other.
    """

    def __init__(self, shift: float = 0.0, stretch: float = 1.0) -> None:
        super().__init__()
        rng = torch.Generator().manual_seed(0)
        basis = torch.linalg.qr(torch.randn(7, 2, generator=rng, dtype=torch.float64))[0]
        self.W = basis * torch.tensor([1.5, 0.4], dtype=torch.float64)
        self.m = torch.randn(7, generator=rng, dtype=torch.float64)
        self.log_sigma = torch.tensor(SIGMA, dtype=torch.float64).log()
        self.shift, self.stretch = shift, stretch

    def encoder(self, x0: Tensor, condition: Any) -> Tensor:
        precision = (self.W.square().sum(0) + SIGMA**2) / SIGMA**2
        mean = (x0.flatten(1) - self.m) @ self.W / SIGMA**2 / precision + self.shift
        log_variance = (-precision.log() + 2 * math.log(self.stretch)).expand(len(x0), -1)
        return torch.cat([mean, log_variance], 1)

    def decoder(self, z: Tensor, condition: Any) -> Tensor:
        return (z @ self.W.mT + self.m).reshape(-1, 1, 7)


def bound_of(network: Linear, x0: Tensor) -> Tensor:
    """The bound of each sample, its mean over z by points that are exact for a quadratic."""
    model = Autoencoder(network, 2)  # pyright: ignore[reportArgumentType]
    corners = torch.eye(2, dtype=torch.float64)
    points = math.sqrt(2) * torch.cat([corners, -corners])
    total = torch.zeros(len(x0), dtype=torch.float64)
    for point in points:
        found = model.bound(x0, point.expand(len(x0), -1), NOTHING)
        total += (found.log_likelihood - found.divergence.sum(1)) / len(points)
    return total


@pytest.fixture
def x0() -> Tensor:
    return torch.randn(5, 1, 7, generator=torch.Generator().manual_seed(3), dtype=torch.float64)


def log_p(x0: Tensor) -> Tensor:
    truth = Linear()
    covariance = truth.W @ truth.W.mT + SIGMA**2 * torch.eye(7, dtype=torch.float64)
    law = torch.distributions.MultivariateNormal(truth.m, covariance)
    return law.log_prob(x0.flatten(1))


def test_with_the_exact_posterior_the_bound_is_the_likelihood(x0: Tensor) -> None:
    torch.testing.assert_close(bound_of(Linear(), x0), log_p(x0), rtol=0, atol=1e-12)


@pytest.mark.parametrize(("shift", "stretch"), [(0.3, 1.0), (0.0, 1.4), (-0.1, 0.7)])
def test_with_another_q_it_is_below_by_the_divergence(
    x0: Tensor, shift: float, stretch: float
) -> None:
    precision = (Linear().W.square().sum(0) + SIGMA**2) / SIGMA**2
    gap = (shift**2 * precision + stretch**2 - 1 - 2 * math.log(stretch)).sum() / 2
    expected = log_p(x0) - gap
    actual = bound_of(Linear(shift, stretch), x0)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def objective(**settings: Any) -> EvidenceObjective:
    return EvidenceObjective(BaselineConfig((1, 8, 8), SPEC, VAE(TINY, 3, **settings)))


def blind(goal: EvidenceObjective) -> Autoencoder:
    """One whose decoder gives 0, whatever z is."""
    torch.manual_seed(0)
    model = goal.build()
    for weight in model.network.decoder.leave.parameters():
        nn.init.zeros_(weight)
    return model


def test_a_validation_is_the_bound_in_bits_a_dimension_and_the_same_each_time() -> None:
    goal = objective(free_bits=5.0)
    model = blind(goal).double().eval()
    data = torch.randn(200, 1, 8, 8, dtype=torch.float64)
    condition = encode_condition(SPEC, {"label": 1}, 200)
    figures = [goal.validate(model, data, condition, size) for size in (200, 7)]
    assert figures[0]["validation"]["mean"] == pytest.approx(figures[1]["validation"]["mean"])
    # The decoder gives 0 at deviation 1.
    with torch.no_grad():
        found = model.bound(data, torch.zeros(200, 3).double(), condition)
    nats = 0.5 * data.square() + 0.5 * math.log(2 * math.pi)
    expected = float(nats.sum() + found.divergence.sum()) / data.numel() / math.log(2)
    assert figures[0]["validation"]["mean"] == pytest.approx(expected, rel=1e-12)


def test_numbers_within_their_free_bits_are_not_pulled_to_the_prior() -> None:
    data = torch.randn(6, 1, 8, 8)
    condition = encode_condition(SPEC, {"label": 0}, 6)
    pulls = {}
    for bits in (0.0, 100.0):
        goal = objective(free_bits=bits)
        model = blind(goal)
        goal.batch_loss(model, data, condition).backward()
        (weight,) = (p for n, p in model.named_parameters() if n.endswith("encoder.leave.bias"))
        assert weight.grad is not None
        pulls[bits] = float(weight.grad.abs().max())
    # The likelihood does not depend on z, so only the prior pulls.
    assert pulls[0.0] > 1e-4
    assert pulls[100.0] == 0


def test_the_deviation_is_learnt_or_stated() -> None:
    learnt, stated = objective().build(), objective(sigma=0.2).build()
    assert "network.log_sigma" in dict(learnt.named_parameters())
    assert "network.log_sigma" not in dict(stated.named_parameters())
    assert float(stated.network.log_sigma.exp()) == pytest.approx(0.2)


@pytest.mark.parametrize(
    "settings", [{"latent_size": 0}, {"free_bits": -1.0}, {"sigma": 0.0}, {"sigma": math.nan}]
)
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ClarionError, match=f"{name} must be"):
        VAE(TINY, **settings)
