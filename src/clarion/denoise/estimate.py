"""What a denoiser returns, and the one place where estimates are combined."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.shapes import expand_like
from clarion.process.gaussian import GaussianProcess


@dataclass(slots=True)
class Estimate:
    """The expectation of the clean data, given the noisy data: mean = E[x0 | x_t].

    Noise, score and velocity follow from it through the process. It is what every guidance rule
    combines and every Gaussian sampler consumes.

    Args:
        mean: (batch, *shape), in the units of the data, never clipped.
        untwisted: the mean without the rule that steered it last, for a sampler that corrects for
            that steering; None where no rule `twists`. Combining estimates drops it.
    """

    mean: Tensor
    untwisted: Tensor | None = None

    def noise(self, process: GaussianProcess, x_t: Tensor, t: Tensor) -> Tensor:
        """E[noise | x_t] = (x_t - alpha mean) / sigma."""
        alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
        return (x_t - alpha * self.mean) / sigma

    def score(self, process: GaussianProcess, x_t: Tensor, t: Tensor) -> Tensor:
        """grad log p(x_t) = -E[noise | x_t] / sigma (Tweedie's formula)."""
        return -self.noise(process, x_t, t) / expand_like(process.sigma(t), x_t)

    def chunk(self, count: int) -> tuple[Estimate, ...]:
        """Split the batch into `count` equal parts: undoes a joint evaluation."""
        return tuple(Estimate(part) for part in self.mean.chunk(count))

    @staticmethod
    def extrapolate(start: Estimate, end: Estimate, scale: float | Tensor) -> Estimate:
        """start + scale (end - start): 0 gives `start`, 1 gives `end`, more goes beyond it.

        Since the weights add up to one, the same formula then holds for noise, score and velocity.

        Args:
            scale: a number, or one a sample, (batch,).
        """
        if isinstance(scale, Tensor):
            scale = expand_like(scale, start.mean)
        return Estimate(torch.lerp(start.mean, end.mean, scale))

    @staticmethod
    def combine(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
        """The affine combination sum_i weights[i] estimates[i].

        Raises:
            ValueError: if the weights do not add up to one, for then it is no estimate.
        """
        if len(weights) != len(estimates) or not abs(sum(weights) - 1) <= 1e-9:
            raise ValueError(f"{len(estimates)} weights must add up to 1, got {tuple(weights)}.")
        mean = estimates[0].mean * weights[0]
        for estimate, weight in zip(estimates[1:], weights[1:], strict=True):
            mean = mean.add_(estimate.mean, alpha=weight)
        return Estimate(mean)
