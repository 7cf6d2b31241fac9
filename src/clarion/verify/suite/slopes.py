"""Closed forms of guidance by a gradient: from the log density alone, and its derivatives."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.exact.classifier import MixtureClassifier
from clarion.denoise.exact.mixture import MixtureDenoiser
from clarion.process.gaussian import GaussianProcess
from clarion.verify.suite.contrast import ScoreOf
from clarion.verify.targets import TARGETS

Slope: TypeAlias = Callable[[Tensor], Tensor]
"""x0 (batch, dim) -> gradient of a reward there, (batch, dim)."""

POINT = 1.5


def class_model(process: GaussianProcess) -> MixtureClassifier:
    """The exact classifier of the classes."""
    target = TARGETS["classes"]
    return MixtureClassifier(
        MixtureDenoiser(process, target.weights, target.means, target.covariances, target.labels)
    )


def near_point(x0: Tensor, condition: Condition | None) -> Tensor:
    """The reward -|x0 - p|² / 2 with p = (1.5, 1.5, ...), (batch,)."""
    return -(x0 - POINT).square().sum(1) / 2


def near_point_slope(x0: Tensor) -> Tensor:
    """Its gradient p - x0."""
    return POINT - x0


def through(slope: Slope, scale: float) -> ScoreOf:
    """grad log p(x_t | c) + scale grad r(D(x_t)), with r's gradient given by `slope`.

    By Tweedie's formula D = (x_t + sigma² grad log p) / alpha, and so
    grad r(D(x_t)) = (v + sigma² H v) / alpha, with v = grad r at D and H the Hessian of log p.
    """

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        alpha, variance, x, plain = _plain(denoiser, x_t, t, condition)
        v = slope((x_t + variance * plain.detach()) / alpha)
        (product,) = torch.autograd.grad(plain, x, v)
        return plain.detach() + scale * (v + variance * product) / alpha

    return score


def detached_on_mean(slope: Slope, scale: float) -> ScoreOf:
    """grad log p(x_t | c) + scale alpha / sigma² grad r(D): scale grad r(D) added to the mean D."""

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        alpha, variance, _, plain = _plain(denoiser, x_t, t, condition)
        v = slope((x_t + variance * plain.detach()) / alpha)
        return plain.detach() + scale * alpha / variance * v

    return score


def _plain(
    denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """alpha, sigma², x_t as a leaf, and the score there, still to be differentiated."""
    alpha = denoiser.process.alpha(t).unsqueeze(1)
    variance = denoiser.process.sigma(t).unsqueeze(1) ** 2
    with torch.enable_grad():
        x = x_t.detach().requires_grad_()
        total = denoiser.log_density(x, t, condition).sum()
        (score,) = torch.autograd.grad(total, x, create_graph=True)
    return alpha, variance, x, score
