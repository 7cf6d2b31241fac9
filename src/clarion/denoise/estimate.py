"""What a denoiser returns, and the one place where estimates are combined."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.choices import draw_choices
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

    @property
    def values(self) -> Tensor:
        """The numbers in which estimates are combined, (batch, ...): here the mean."""
        return self.mean

    def joined(self, f: Callable[..., Tensor], *others: Estimate) -> Estimate:
        """A linear function of the numbers in which this estimate and others are combined."""
        return Estimate(f(self.values, *(other.values for other in others)))

    def noise(self, process: GaussianProcess, x_t: Tensor, t: Tensor) -> Tensor:
        """E[noise | x_t] = (x_t - alpha mean) / sigma."""
        alpha, sigma = expand_like(process.alpha(t), x_t), expand_like(process.sigma(t), x_t)
        return (x_t - alpha * self.mean) / sigma

    def score(self, process: GaussianProcess, x_t: Tensor, t: Tensor) -> Tensor:
        """grad log p(x_t) = -E[noise | x_t] / sigma (Tweedie's formula)."""
        return -self.noise(process, x_t, t) / expand_like(process.sigma(t), x_t)

    def rows(self, index: Tensor) -> Estimate:
        """Those of some rows of the batch, (rows,) int64."""
        untwisted = None if self.untwisted is None else self.untwisted[index]
        return Estimate(self.mean[index], untwisted)

    def guesses(self, uniform: Tensor | None = None) -> Tensor:
        """Clean data about which a function of clean data can be asked, (count, batch, *shape).

        Of numbers that is their mean, which is all that is known of them. Of tokens, which have
        none, it is the likeliest in each position, or tokens drawn from the estimate, each position
        by itself.

        Args:
            uniform: numbers in [0, 1) to draw by, (count, batch, *shape), or None.
        """
        return self.mean.unsqueeze(0)

    def split(self, sizes: Sequence[int]) -> list[Estimate]:
        """Parts of the batch: undoes a joint evaluation."""
        ends = list(accumulate(sizes))
        return [
            self.joined(lambda values, a=end - size, b=end: values[a:b])
            for size, end in zip(sizes, ends, strict=True)
        ]

    @staticmethod
    def extrapolate(start: Estimate, end: Estimate, scale: float | Tensor) -> Estimate:
        """start + scale (end - start): 0 gives `start`, 1 gives `end`, more goes beyond it.

        Since the weights add up to one, the same formula then holds for noise, score and velocity.

        Args:
            scale: a number, or one a sample, (batch,).
        """

        def between(a: Tensor, b: Tensor) -> Tensor:
            weight = expand_like(scale.to(a.dtype), a) if isinstance(scale, Tensor) else scale
            return torch.lerp(a, b, weight)

        return start.joined(between, end)

    @staticmethod
    def combine(estimates: Sequence[Estimate], weights: Sequence[float]) -> Estimate:
        """The affine combination sum_i weights[i] estimates[i].

        Raises:
            ValueError: if the weights do not add up to one, for then it is no estimate.
        """
        if len(weights) != len(estimates) or not abs(sum(weights) - 1) <= 1e-9:
            raise ValueError(f"{len(estimates)} weights must add up to 1, got {tuple(weights)}.")

        def total(*parts: Tensor) -> Tensor:
            result = parts[0] * weights[0]
            for part, weight in zip(parts[1:], weights[1:], strict=True):
                result = result.add_(part, alpha=weight)
            return result

        return estimates[0].joined(total, *estimates[1:])


class TokenEstimate(Estimate):
    """What the clean token of each position is, given the noisy ones: p(x0 | x_t).

    With tokens written as vectors of one 1, that is their expectation. They are combined as
    logarithms: guidance multiplies and divides probabilities.

    Args:
        logits: (batch, length, vocabulary), up to a constant in each position.
        tilt: logarithms of factors on where a position goes next, (batch, length, num_states), for
            rules that compare a sequence with its neighbours; None for none. It is combined as the
            logits are.
    """

    __slots__ = ("logits", "tilt")

    def __init__(self, logits: Tensor, tilt: Tensor | None = None) -> None:
        self.logits, self.tilt, self.untwisted = logits, tilt, None

    @property
    def mean(self) -> Tensor:  # pyright: ignore[reportIncompatibleVariableOverride]
        """p(x0 | x_t), (batch, length, vocabulary) float64: fewer digits would lose rare tokens."""
        return self.logits.double().softmax(-1)

    @property
    def values(self) -> Tensor:
        return self.logits

    def joined(self, f: Callable[..., Tensor], *others: Estimate) -> TokenEstimate:
        logits = f(self.values, *(other.values for other in others))
        tilts = [e.tilt if isinstance(e, TokenEstimate) else None for e in (self, *others)]
        known = next((tilt for tilt in tilts if tilt is not None), None)
        if known is None:
            return TokenEstimate(logits)
        none = torch.zeros_like(known)
        return TokenEstimate(logits, f(*(none if tilt is None else tilt for tilt in tilts)))

    def rows(self, index: Tensor) -> TokenEstimate:
        return TokenEstimate(self.logits[index], None if self.tilt is None else self.tilt[index])

    def guesses(self, uniform: Tensor | None = None) -> Tensor:
        if uniform is None:
            return self.logits.argmax(-1).unsqueeze(0)
        mean = self.mean.expand(len(uniform), *self.logits.shape)
        return draw_choices(mean, uniform)

    @staticmethod
    def of_probabilities(probabilities: Tensor) -> TokenEstimate:
        """The estimate with these probabilities.

        For 0 stands the least positive number there is, so that estimates can be combined whose
        zeros differ.
        """
        return TokenEstimate(probabilities.clamp(min=torch.finfo(probabilities.dtype).tiny).log())

    @staticmethod
    def of_tokens(tokens: Tensor, vocabulary: int, like: Tensor) -> TokenEstimate:
        """The estimate that is certain of these tokens.

        Args:
            tokens: (..., length), 0..vocabulary - 1.
            vocabulary: number of different tokens.
            like: of the type of the logits.
        """
        return TokenEstimate.of_probabilities(F.one_hot(tokens, vocabulary).to(like.dtype))
