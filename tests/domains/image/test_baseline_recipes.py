"""The losses of the papers, written out, beside those of the recipes."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn

from clarion.denoise.network import NetworkDenoiser
from clarion.domains.image.baseline_recipes import ddpm, ncsn
from clarion.process.gaussian import GaussianProcess
from clarion.run.config import TrainConfig
from clarion.train.loss import DenoisingLoss

X0 = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
NOISE = torch.randn(6, 1, 4, 4, generator=torch.Generator().manual_seed(2), dtype=torch.float64)


class Odd(nn.Module):
    """Anything that depends on what it sees and is told."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(0.7, dtype=torch.float64))

    def forward(self, x: Tensor, noise_level: Tensor, condition: object) -> Tensor:
        return torch.tanh(self.weight * x) + noise_level[:, None, None, None]


def loss_of(config: TrainConfig, t: Tensor) -> Tensor:
    assert isinstance(config.process, GaussianProcess)
    denoiser = NetworkDenoiser(Odd(), config.process, config.prediction_type, 1.0)
    return DenoisingLoss(config.loss, config.process, 1.0)(denoiser, X0, t, NOISE, None)


def test_ddpm_is_the_plain_error_of_the_noise_on_the_path_of_its_paper() -> None:
    config, steps = ddpm(), torch.tensor([1, 10, 100, 300, 600, 1000])
    betas = torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64)
    alpha = (1 - betas).cumprod(0).sqrt()[steps - 1, None, None, None]
    t = steps.double() / 1000
    x_t = alpha * X0 + (1 - alpha**2).sqrt() * NOISE
    told = torch.log((1 - alpha**2).sqrt() / alpha).flatten() / 4
    expected = (NOISE - Odd()(x_t, told, None)).square().flatten(1).mean(1)
    # A thousand steps follow the continuous path as closely as the size of one.
    torch.testing.assert_close(loss_of(config, t), expected, rtol=0.02, atol=0)
    assert config.condition_dropout == 0.1


def test_ncsn_is_score_matching_weighted_by_the_variance() -> None:
    config = ncsn()
    t = torch.linspace(0, 1, 6, dtype=torch.float64)
    sigma = (0.01 * (100 / 0.01) ** t)[:, None, None, None]
    x_t = X0 + sigma * NOISE
    net = Odd()(x_t / (1 + sigma**2).sqrt(), sigma.log().flatten() / 4, None)
    score = -net / sigma
    target = -(x_t - X0) / sigma**2
    expected = (sigma**2 * (score - target).square()).flatten(1).mean(1)
    torch.testing.assert_close(loss_of(config, t), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize("config", [ddpm(), ncsn()])
def test_times_are_uniform(config: TrainConfig) -> None:
    process = config.process
    assert isinstance(process, GaussianProcess)
    u = torch.tensor([0.1, 0.5, 0.9], dtype=torch.float64)
    times = DenoisingLoss(config.loss, process, 1.0).times(u)
    expected = process.t_min + u * (process.t_max - process.t_min)
    torch.testing.assert_close(times, expected, rtol=0, atol=1e-12)
    assert math.isclose(process.t_max, 1.0)
