"""Inpainting: what is known is met, and the bias of the rest is the one that is derived."""

import math

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.normalizer import Normalizer
from clarion.denoise.exact import GaussianDenoiser
from clarion.guide import SampleSpace
from clarion.guide.inpaint import Inpaint
from clarion.process import VE, VPCosine
from clarion.sample import SAMPLERS, sample
from clarion.verify.gaussian_flow import log_uniform_levels

NORMALIZER = Normalizer(mean=(0.5, -1.0), std=(0.2, 3.0))
DATA = torch.linspace(0, 1, 8, dtype=torch.float64).reshape(2, 2, 2)
MASK = torch.tensor([[1, 0], [0, 1]])


@pytest.mark.parametrize("sampler", ["ddpm", "dpmpp_2m"])
def test_known_values_are_met_in_data_units(sampler):
    rule = Inpaint(DATA, MASK).bind(SampleSpace((2, 2, 2), NORMALIZER))
    steered = rule(GaussianDenoiser(VPCosine(), torch.zeros(8), torch.eye(8)))
    x = sample(steered, (2, 2, 2), n=3, sampler=sampler, num_steps=6, dtype=torch.float64)
    shown = NORMALIZER.decode(x)[:, :, MASK == 1]
    torch.testing.assert_close(shown, DATA[:, MASK == 1].expand(3, -1, -1), rtol=0, atol=1e-14)
    assert (NORMALIZER.decode(x)[:, :, MASK == 0] - DATA[:, MASK == 0]).abs().min() > 1e-4


def mean_of_samples(correlation, known, sampler):
    """Expectation of what a sampler makes of two values, of which the first is known.

    All is affine, so the expectation goes through the recursion as a sample without noise does.
    """
    process = VE(sigma_min=1e-4, sigma_max=1e4)
    covariance = [[1.0, correlation], [correlation, 1.0]]
    rule = Inpaint(torch.tensor([known, math.nan], dtype=torch.float64), torch.tensor([1, 0]))
    steered = rule(GaussianDenoiser(process, [0.0, 0.0], covariance))
    y = torch.zeros(1, 2, dtype=torch.float64)
    for update in sampler.updates([*log_uniform_levels(1e3, 1e-2, 1000), 0.0]):
        t = process.time_of_noise_level(torch.tensor([update.level], dtype=torch.float64))
        y = update.keep * y + update.weights[0] * steered(y, t).mean
    return y[0].tolist()


@pytest.mark.parametrize("r", [0.3, 0.8, -0.95])
def test_replacement_is_biased_as_derived(r):
    # With w = s² and z = 1 + w, DDPM in small steps takes the mean of the unknown value along
    # dE/dz = (z E - r k) / (z² - r²), from 0 at infinity: E = k (z - sqrt(z² - r²)) / r.
    k = 1.5
    shown, filled = mean_of_samples(r, k, SAMPLERS["ddpm"]())
    replaced, exact = k * (1 - math.sqrt(1 - r**2)) / r, r * k
    assert shown == pytest.approx(k, abs=1e-12)
    assert filled == pytest.approx(replaced, rel=1e-2)
    assert abs(replaced) < 0.8 * abs(exact)


@pytest.mark.parametrize(
    ("known", "mask", "message"),
    [
        (DATA[0], MASK, r"known of inpaint must have the shape of a sample, \(2, 2, 2\), got \(2"),
        (DATA, torch.ones(3, 3), r"mask of inpaint must have the shape .* got \(3, 3\)"),
        (DATA / 0, MASK, "known of inpaint must hold finite numbers where mask is 1"),
        (DATA, 0.5 * MASK, "mask of inpaint must hold nothing but 0 and 1"),
    ],
)
def test_what_does_not_fit_is_refused(known, mask, message):
    with pytest.raises(ClarionError, match=message):
        Inpaint(known, mask).bind(SampleSpace((2, 2, 2)))


def test_lists_are_refused_by_name():
    with pytest.raises(ClarionError, match=r"known of inpaint must be a tensor, got \[1\]"):
        Inpaint([1], torch.zeros(1))
    with pytest.raises(ClarionError, match=r"mask of inpaint must be a tensor, got \[0\]"):
        Inpaint(torch.zeros(1), [0])
