"""The loss of a GAN: whose gradient it is, and how its descent behaves where that is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.base.condition import ClassEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.baselines.gan import GAN, AdversarialObjective, Adversaries
from clarion.nets import UNetConfig
from clarion.run.baseline_config import BaselineConfig

TINY = UNetConfig(
    base_channels=8, channel_multipliers=(1, 2), blocks_per_level=1, attention_levels=(1,),
    head_width=8,
)  # fmt: skip
SPEC = {"label": ClassEntry(3, dropout=0.0)}


def objective(gamma: float = 0.7, spec: Any = SPEC, shape: Any = (1, 8, 8)) -> AdversarialObjective:
    return AdversarialObjective(BaselineConfig(shape, spec, GAN(TINY, 4, gamma)))


def test_each_half_has_the_gradient_of_its_own_loss() -> None:
    """The losses of the paper, written out, each differentiated in its own network alone."""
    goal, x0 = objective(), torch.randn(5, 1, 8, 8).double()
    condition = encode_condition(SPEC, {"label": [0, 1, 2, 0, 1]}, 5)
    torch.manual_seed(1)
    model = goal.build().double()
    with torch.no_grad():  # no weight is 0, or whole parts of the network have no gradient
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn_like(weight))
    torch.manual_seed(2)
    goal.batch_loss(model, x0, condition).backward()

    torch.manual_seed(2)
    torch.rand(5)  # as many as decide which conditions are hidden
    latent = torch.randn(5, 4, dtype=torch.float64)
    generator, critic = model.network.generator, model.network.critic
    made = generator(latent, condition)
    x = torch.cat([x0, made.detach()]).requires_grad_()
    twice = encode_condition(SPEC, {"label": [0, 1, 2, 0, 1] * 2}, 10)
    score = critic(x, twice)
    (slope,) = torch.autograd.grad(score.sum(), x, create_graph=True)
    real, fake = score.chunk(2)
    penalty = slope.square().flatten(1).sum(1).sum() / 5
    of_critic = F.softplus(-(real - fake)).mean() + 0.7 / 2 * penalty
    of_generator = F.softplus(-(critic(made, condition) - critic(x0, condition))).mean()
    for network, loss in ((critic, of_critic), (generator, of_generator)):
        weights = dict(network.named_parameters())
        expected = torch.autograd.grad(loss, list(weights.values()), allow_unused=True)
        for (name, weight), own in zip(weights.items(), expected, strict=True):
            given = torch.zeros_like(weight) if weight.grad is None else weight.grad
            own = torch.zeros_like(weight) if own is None else own
            torch.testing.assert_close(given, own, rtol=1e-9, atol=1e-12, msg=name)
        assert max(float(w.grad.abs().max()) for w in weights.values() if w.grad is not None) > 1e-3


class Dirac(nn.Module):
    """The Dirac-GAN: data at 0, samples at theta, D(x) = psi x."""

    def __init__(self, theta: float, psi: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor(theta, dtype=torch.float64))
        self.critic = Slope(psi)

    def generator(self, latent: Tensor, condition: Any) -> Tensor:
        return self.theta.expand(len(latent), 1)


class Slope(nn.Module):
    def __init__(self, psi: float) -> None:
        super().__init__()
        self.psi = nn.Parameter(torch.tensor(psi, dtype=torch.float64))

    def forward(self, x: Tensor, condition: Any) -> Tensor:
        return self.psi * x[:, 0]


def descend(gamma: float, rate: float, steps: int) -> list[float]:
    """Distance from the equilibrium after each step of both descents at once."""
    network = Dirac(0.02, 0.01)
    model = Adversaries(network, 1)  # pyright: ignore[reportArgumentType]
    goal = objective(gamma, {}, (1, 8, 8))
    x0, condition = torch.zeros(2, 1, dtype=torch.float64), encode_condition({}, {}, 2)
    distances = []
    for _ in range(steps):
        weights = list(network.parameters())
        gradients = torch.autograd.grad(goal.batch_loss(model, x0, condition), weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight.sub_(rate * gradient)
        distances.append(math.hypot(*(w.item() for w in weights)))
    return distances


@pytest.mark.parametrize("gamma", [0.0, 0.1, 0.4])
def test_on_the_dirac_gan_it_contracts_as_fast_as_the_theory_says(gamma: float) -> None:
    """Near the equilibrium a step is I + rate A, A = [[0, 1/2], [-1/2, -2 gamma]].

    The factor 2 is there as both penalties are psi². Source: Mescheder et al. 2018, section 2 and
    appendix D, with the relativistic loss in place of theirs.
    """
    rate, steps = 0.05, 800
    distances = descend(gamma, rate, steps)
    A = torch.tensor([[0, 0.5], [-0.5, -2 * gamma]], dtype=torch.float64)
    factor = (
        float((torch.eye(2, dtype=torch.float64) + rate * A).det()) ** 0.5
    )  # of complex eigenvalues
    half = steps // 2
    measured = (distances[-1] / distances[half - 1]) ** (1 / half)
    # Distances swing within a turn by a factor that half the steps, raised to, make small.
    assert measured == pytest.approx(factor, abs=2e-3)
    if gamma:
        assert distances[-1] < 0.1 * distances[0]
    else:
        assert distances[-1] > distances[0]


def test_it_begins_with_samples_that_differ_and_of_about_unit_variance() -> None:
    torch.manual_seed(0)
    for shape, patch in (((1, 8, 8), 1), ((3, 16, 16), 2)):
        config = UNetConfig(32, (1, 2), 1, (), patch_size=patch)
        model = AdversarialObjective(BaselineConfig(shape, {}, GAN(config, 8))).build()
        made = model.generate(torch.randn(200, 8), encode_condition({}, {}, 200))
        assert 0.1 < made.std(0).mean().item() < 2


def test_a_validation_says_that_a_critic_without_weight_tells_nothing() -> None:
    goal = objective()
    model = goal.build()
    x0, condition = torch.randn(7, 1, 8, 8), encode_condition(SPEC, {"label": 1}, 7)
    first = goal.validate(model, x0, condition, 3)
    assert first == goal.validate(model, x0, condition, 3)
    with torch.no_grad():
        for weight in model.network.critic.parameters():
            weight.zero_()
    found = goal.validate(model, x0, condition, 7)["validation"]["mean"]
    assert found == pytest.approx(math.log(2), rel=1e-6)


@pytest.mark.parametrize("settings", [{"latent_size": 0}, {"gamma": -1.0}, {"gamma": math.inf}])
def test_settings_that_cannot_be_are_refused(settings: dict[str, Any]) -> None:
    (name,) = settings
    with pytest.raises(ClarionError, match=f"{name} must be"):
        GAN(TINY, **settings)
