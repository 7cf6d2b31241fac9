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
