"""Bits that a model needs for a picture of 8-bit pixels, by the flow of its denoiser.

A density is not a probability: uniform noise of the width of a pixel's step is added, and

    -log2 P(pixels) <= E[-log2 p(pixels + u)],        u uniform in [-1/2, 1/2] for each pixel,

where p is the density in units of that step, and P what it assigns to the cell of each pixel.

Source: Theis, van den Oord & Bethge 2016, arXiv 1511.01844, section 3.1; Song et al. 2021, arXiv
2011.13456, appendix D.2.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.normalizer import Normalizer
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.evaluate.likelihood import log_density, random_signs

STEPS = 255
"""Of a pixel, between black, 0, and white, 1."""


def bits_a_dimension(
    denoiser: Denoiser,
    codec: Normalizer,
    pixels: Tensor,
    condition: Condition,
    streams: SampleStreams,
    *,
    num_probes: int,
    num_steps: int,
    sigma_data: float,
) -> Tensor:
    """Bits for each number of a picture, by each probe of the trace: (probes, batch) float64.

    Args:
        denoiser: of pictures.
        codec: between pixels and the units of the denoiser.
        pixels: (batch, channels, height, width) uint8.
        condition: what is known of each picture.
        streams: one for each picture, for noise and probes.
        num_probes: random signs for each picture.
        num_steps: see `clarion.evaluate.likelihood.log_density`, as also the last.
        sigma_data: standard deviation of the data in model units.
    """
    noise = streams.uniform(pixels.shape[1:], device=pixels.device) - 0.5
    x0 = codec.encode((pixels + noise) / STEPS)
    probes = random_signs(num_probes, x0, streams)
    log_p = log_density(denoiser, x0, probes, condition, num_steps=num_steps, sigma_data=sigma_data)
    # Of one number: a step is 1 / (255 std) in model units.
    step = -math.log(STEPS) - torch.tensor(codec.std, dtype=torch.float64).log().mean()
    return -(log_p / x0[0].numel() + step.to(log_p.device)) / math.log(2)
