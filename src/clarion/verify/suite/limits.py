"""What rules that change the estimate itself do to the score."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.exact.mixture import MixtureDenoiser
from clarion.verify.suite.contrast import ScoreOf
from clarion.verify.suite.evidence import score_of


def on_mean(change: Callable[[Tensor], Tensor]) -> ScoreOf:
    """The score that belongs to change(E[x0 | x_t, c]), which Tweedie's formula gives by autograd:

    alpha E[x0 | x_t] = x_t + sigma² grad log p(x_t).
    """

    def score(denoiser: MixtureDenoiser, x_t: Tensor, t: Tensor, condition: Condition) -> Tensor:
        process = denoiser.process
        alpha, sigma = process.alpha(t).unsqueeze(1), process.sigma(t).unsqueeze(1)
        mean = (x_t + sigma**2 * score_of(denoiser, x_t, t, condition)) / alpha
        return (alpha * change(mean) - x_t) / sigma**2

    return score


LOW, HIGH = -0.4, 0.6
"""A range that leaves out some of the estimates."""


def clipped(mean: Tensor) -> Tensor:
    """Each value moved into the range."""
    return torch.minimum(torch.maximum(mean, mean.new_tensor(LOW)), mean.new_tensor(HIGH))


def shrunk_by_its_largest_value(mean: Tensor) -> Tensor:
    """Each sample drawn to the middle of the range until its farthest value is at the edge."""
    centre, half = (LOW + HIGH) / 2, (HIGH - LOW) / 2
    reach = (mean - centre).abs().amax(1, keepdim=True)
    return centre + (mean - centre) * half / reach.clamp(min=half)


KNOWN, MASK = torch.tensor([0.5, torch.nan]).double(), torch.tensor([1, 0])
"""The first of two values is known."""


def first_known(mean: Tensor) -> Tensor:
    """The first value put in."""
    return torch.stack([torch.full_like(mean[:, 0], 0.5), mean[:, 1]], 1)
