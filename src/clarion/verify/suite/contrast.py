"""Closed forms of the rules that contrast two estimates, from scores by autograd."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.exact import MixtureDenoiser
from clarion.process.gaussian import GaussianProcess
from clarion.verify.suite.evidence import score_of
from clarion.verify.targets import TARGETS

ScoreOf: TypeAlias = Callable[[MixtureDenoiser, Tensor, Tensor, Condition], Tensor]
"""(exact denoiser, x_t, t, condition) -> the score that a rule must have, (batch, dim)."""


def tilted(guidance_scale: float) -> ScoreOf:
    """grad log p(x_t) + guidance_scale (grad log p(x_t | c) - grad log p(x_t)), by autograd.

    Source: Ho & Salimans 2022, arXiv 2207.12598, equation 6.
    """

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        absent = score_of(denoiser, x_t, t, None)
        return absent + guidance_scale * (score_of(denoiser, x_t, t, condition) - absent)

    return score


def weak_model(process: GaussianProcess) -> MixtureDenoiser:
    """The model of the same classes, with a variance of 1 added to each component."""
    target = TARGETS["classes"]
    blurred = target.covariances + torch.eye(target.dim, dtype=torch.float64)
    return MixtureDenoiser(process, target.weights, target.means, blurred, target.labels)


def against_weak(guidance_scale: float) -> ScoreOf:
    """The score tilted away from that of `weak_model` under the same condition.

    Source: Karras et al. 2024, arXiv 2406.02507, equation 3.
    """

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        weak = score_of(weak_model(denoiser.process), x_t, t, condition)
        return weak + guidance_scale * (score_of(denoiser, x_t, t, condition) - weak)

    return score


CombineMeans: TypeAlias = Callable[[Tensor, Tensor], Tensor]


def _of_means(combine: CombineMeans) -> ScoreOf:
    """The score of a combination of E[x0 | x_t] without and with the condition, by Tweedie."""

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        alpha, sigma = (
            c.unsqueeze(1) for c in (denoiser.process.alpha(t), denoiser.process.sigma(t))
        )
        absent, own = (
            (x_t + sigma**2 * score_of(denoiser, x_t, t, c)) / alpha for c in (None, condition)
        )
        return (alpha * combine(absent, own) - x_t) / sigma**2

    return score


def projected(
    guidance_scale: float, eta: float = 0.0, norm_threshold: float | None = None
) -> ScoreOf:
    """APG for samples of two numbers, where what is orthogonal to a vector is one line.

    Source: Sadat et al. 2024, arXiv 2410.02416, section 4.
    """

    def combine(absent: Tensor, own: Tensor) -> Tensor:
        change = own - absent
        if norm_threshold is not None:
            size = torch.hypot(*change.unbind(1)).unsqueeze(1)
            change = torch.where(size > norm_threshold, change / size * norm_threshold, change)
        along = own / torch.hypot(*own.unbind(1)).unsqueeze(1)
        across = torch.stack([-along[:, 1], along[:, 0]], 1)
        parts = ((change * axis).sum(1, keepdim=True) * axis for axis in (across, along))
        orthogonal, parallel = parts
        return own + (guidance_scale - 1) * (orthogonal + eta * parallel)

    return _of_means(combine)


def rescaled(guidance_scale: float, phi: float) -> ScoreOf:
    """Rescaled guidance for samples of two numbers, whose deviation is half their distance.

    Source: Lin et al. 2023, arXiv 2305.08891, equations 14 to 16.
    """

    def combine(absent: Tensor, own: Tensor) -> Tensor:
        guided = (1 - guidance_scale) * absent + guidance_scale * own
        half, wanted = ((x[:, :1] - x[:, 1:]).abs() / 2 for x in (guided, own))
        return phi * guided * wanted / half + (1 - phi) * guided

    return _of_means(combine)


def best_fit(guidance_scale: float) -> ScoreOf:
    """CFG-Zero*, its scale of the unconditional velocity by least squares.

    Source: Fan et al. 2025, arXiv 2503.18886, section 4.
    """

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        alpha, sigma = (
            c.unsqueeze(1) for c in (denoiser.process.alpha(t), denoiser.process.sigma(t))
        )

        def velocity(given: Condition | None) -> Tensor:
            slope = score_of(denoiser, x_t, t, given)
            return -sigma * slope - (x_t + sigma**2 * slope) / alpha

        absent, own = velocity(None), velocity(condition)
        best = torch.linalg.lstsq(absent.unsqueeze(2), own.unsqueeze(2)).solution.squeeze(2)
        v = best * absent + guidance_scale * (own - best * absent)
        # v = noise - (x_t - sigma noise) / alpha, and the score is -noise / sigma.
        return -(alpha * v + x_t) / (alpha + sigma) / sigma

    return score
