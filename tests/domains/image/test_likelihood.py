"""Bits a dimension against a normal density of pixels, in closed form."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Normal

from clarion.base.condition import Condition
from clarion.base.normalizer import Normalizer
from clarion.base.streams import SampleStreams
from clarion.denoise.exact import GaussianDenoiser
from clarion.domains.image.likelihood import bits_a_dimension
from clarion.process.gaussian import VPCosine

PROCESS = VPCosine()
LEVEL = float(PROCESS.noise_level(torch.tensor(PROCESS.t_min, dtype=torch.float64)))
NOTHING = Condition({}, {})


def bits(pixels: torch.Tensor, codec: Normalizer, seed: int = 0, **how: int) -> torch.Tensor:
    dim = pixels[0].numel()
    denoiser = GaussianDenoiser(PROCESS, [0.0] * dim, torch.eye(dim))
    streams = SampleStreams(seed, range(len(pixels)))
    asked = {"num_probes": 1, "num_steps": 24} | how
    return bits_a_dimension(denoiser, codec, pixels, NOTHING, streams, sigma_data=1.0, **asked)


def test_normal_pixels_of_several_channels() -> None:
    """Each is N(255 mean, (255 std)²) in units of its step, and noise is added to it."""
    codec = Normalizer((0.5, 0.3, 0.4), (0.2, 0.1, 0.3))
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (6, 3, 2, 2), generator=generator, dtype=torch.uint8)
    noise = SampleStreams(0, range(6)).uniform((3, 2, 2)) - 0.5
    scale = 255 * math.sqrt(1 + LEVEL**2)
    means, deviations = (torch.tensor(v)[:, None, None] for v in (codec.mean, codec.std))
    law = Normal(255 * means, scale * deviations)
    expected = -law.log_prob(pixels + noise).flatten(1).mean(1) / math.log(2)
    for found in bits(pixels, codec, num_probes=2):
        torch.testing.assert_close(found, expected.double(), rtol=0, atol=2e-4)


def test_probabilities_of_all_pixels_add_up_to_one() -> None:
    pixels = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    codec = Normalizer((0.5,), (0.1,))
    found = torch.stack([bits(pixels, codec, seed)[0] for seed in range(8)])
    assert float((2**-found).mean(0).sum()) == pytest.approx(1, abs=2e-3)
