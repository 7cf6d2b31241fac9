"""Gaussian data, on which every Gaussian sampler is affine and its answer is known.

Data N(mean, diag(variance)). At noise level s the marginal of y = x_t / alpha is
N(mean, variance + s²), and the probability flow from s to s' multiplies y - mean by
sqrt((variance + s'²) / (variance + s²)), coordinate by coordinate.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from clarion.base.shapes import expand_like
from clarion.denoise import Denoiser, Estimate
from clarion.process import GaussianProcess
from clarion.sample import AffineSampler, Plan

MEAN = torch.tensor([0.5, -1.0, 0.3, 2.0], dtype=torch.float64)
VARIANCE = torch.tensor([1.0, 0.25, 4.0, 0.5], dtype=torch.float64)


class GaussianDenoiser(Denoiser):
    """E[x0 | x_t] for N(MEAN, diag(VARIANCE))."""

    def estimate(self, x_t, t, condition):
        alpha = expand_like(self.process.alpha(t), x_t)
        sigma = expand_like(self.process.sigma(t), x_t)
        mean, variance = MEAN.to(x_t.dtype), VARIANCE.to(x_t.dtype)
        gain = alpha * variance / (alpha**2 * variance + sigma**2)
        return Estimate(mean + gain * (x_t - alpha * mean))


def log_uniform_times(process: GaussianProcess, num_steps: int, start=2.0, end=0.5) -> Tensor:
    """Times at noise levels evenly spaced in their logarithm; the end is not clean data."""
    levels = torch.linspace(math.log(start), math.log(end), num_steps + 1, dtype=torch.float64)
    return process.time_of_noise_level(levels.exp())


def exact_flow(y: Tensor, start: float, end: float) -> Tensor:
    return MEAN + (y - MEAN) * ((VARIANCE + end**2) / (VARIANCE + start**2)).sqrt()


def propagate(
    sampler: AffineSampler, levels: list[float], initial_mean: Tensor, initial_variance: Tensor
) -> tuple[Tensor, Tensor]:
    """Exact mean and variance of what a sampler makes of a normal y, read off its coefficients.

    Each quantity is held as its weights of 1, of the initial noise and of each stage's noise.
    """
    updates = sampler.updates(levels)
    y = torch.zeros(len(updates) + 2, len(MEAN), dtype=torch.float64)
    y[0], y[1] = initial_mean, initial_variance.sqrt()
    constant = torch.zeros_like(y)
    constant[0] = MEAN
    history: list[Tensor] = []
    for number, update in enumerate(updates):
        gain = VARIANCE / (VARIANCE + update.level**2)
        D = constant + gain * (y - constant)
        history.insert(0, y - D if sampler.uses_residuals else D)
        y = update.keep * y
        for weight, entry in zip(update.weights, history, strict=False):
            y = y + weight * entry
        y[number + 2] = update.noise
    return y[0], (y[1:] ** 2).sum(0)


def observed_order(errors: list[float]) -> float:
    """log2 of the ratio of the errors on the two finest grids, each twice as fine as the last."""
    return [math.log2(coarse / fine) for coarse, fine in pairwise(errors)][-1]


def final_scale(process: GaussianProcess, plan: Plan) -> float:
    """alpha at the end of a plan."""
    next_t = plan.stages[-1].next_t
    return 1.0 if next_t == 0 else float(process.alpha(torch.tensor(next_t, dtype=torch.float64)))
