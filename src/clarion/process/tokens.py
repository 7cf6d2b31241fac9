"""Token processes: each position keeps its token, or loses it, independently of the others.

    q(x_t | x0) = alpha(t) [x_t = x0] + (1 - alpha(t)) pi(x_t)

alpha falls from 1 at t = 0 to 0 at t = 1. pi is what a lost token becomes: a mask (`Masking`), or
any token with the same probability (`Uniform`). As a Markov chain in continuous time, tokens are
lost at the rate beta(t) = -alpha'(t) / alpha(t).

A denoiser states p(x0 | x_t) for each position. All else follows from it here:

    p_t(x_t with b in this position) / p_t(x_t) = E[q(b | x0) / q(x_t | x0) | x_t]
    reversed rate from x_t to b = rate from b to x_t, times that ratio
    p(x_s | x_t) = E[q(x_s | x_t, x0) | x_t],        s < t, of one position

Tokens are whole numbers 0..vocabulary - 1; `Masking` has one state more, the mask.

Sources: Austin et al. 2021, arXiv 2107.03006 (both processes); Campbell et al. 2022, arXiv
2205.14987 (continuous time); Lou, Meng & Ermon 2024, arXiv 2310.16834 (ratios); Sahoo et al. 2024,
arXiv 2406.07524 (masks); Schiff et al. 2024, arXiv 2412.10193 (uniform).
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Literal, Self, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.codec import Codec
from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown
from clarion.base.shapes import expand_like
from clarion.base.streams import SampleStreams
from clarion.base.vocabulary import Vocabulary
from clarion.process.process import Process

Schedule: TypeAlias = Literal["linear", "cosine", "quadratic"]

SCHEDULES: Mapping[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "linear": (lambda t: 1 - t, lambda t: -torch.ones_like(t)),
    "cosine": (
        lambda t: 1 - torch.sin(math.pi / 2 * t),
        lambda t: -math.pi / 2 * torch.cos(math.pi / 2 * t),
    ),
    "quadratic": (lambda t: 1 - t**2, lambda t: -2 * t),
}
"""Name -> alpha(t) and its derivative. `cosine` loses most tokens early, `quadratic` late."""

SMALLEST = 1e-30
"""Stands for a probability of 0 where one is divided by."""


@dataclass(frozen=True)
class TokenProcess(Process):
    """A path from tokens to lost ones.

    Args:
        vocabulary: number of different tokens, at least 2; 0 stands for that of the data until they
            are known.
        schedule: how fast they are lost, a name in `SCHEDULES`.
        t_min: the time of least noise at which a denoiser is asked.
    """

    vocabulary: int = 0
    schedule: Schedule = "linear"
    t_min: float = 1e-4  # pyright: ignore[reportIncompatibleMethodOverride]

    def __post_init__(self) -> None:
        if self.vocabulary < 2 and self.vocabulary != 0:
            raise ClarionError(f"vocabulary must be at least 2 tokens, got {self.vocabulary}.")
        if self.schedule not in SCHEDULES:
            raise ClarionError(describe_unknown("schedule", self.schedule, list(SCHEDULES)))
        if not 0 < self.t_min < 1:
            raise ClarionError(f"t_min must lie between 0 and 1, got {self.t_min}.")

    def of_data(self, codec: Codec) -> Self:
        """The same process for so many different tokens."""
        if not isinstance(codec, Vocabulary):
            raise ClarionError(f"{self} is of tokens, and the data are numbers: take 'edm', say.")
        return replace(self, vocabulary=codec.size)

    @property
    def t_max(self) -> float:
        return 1.0

    def alpha(self, t: Tensor) -> Tensor:
        """Share of the tokens that are kept until t."""
        return SCHEDULES[self.schedule][0](t)

    def alpha_rate(self, t: Tensor) -> Tensor:
        """d alpha / dt, below 0."""
        return SCHEDULES[self.schedule][1](t)

    def noise_level(self, t: Tensor) -> Tensor:
        return 1 - self.alpha(t)

    def noise_like(self, x0: Tensor, streams: SampleStreams | None = None) -> Tensor:
        """Uniform numbers, two for each token, float64."""
        if streams is None:
            return torch.rand(*x0.shape, 2, dtype=torch.float64, device=x0.device)
        return streams.fine_uniform((*x0.shape[1:], 2), device=x0.device)

    def perturb(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """x_t, (batch, length) int64.

        Args:
            x0: tokens, (batch, length).
            t: times, (batch,).
            noise: uniform numbers in [0, 1), (batch, length, 2): whether a token is lost, and what
                it becomes.
        """
        is_lost = noise[..., 0] >= expand_like(self.alpha(t), x0)
        return torch.where(is_lost, self.lost(noise[..., 1]), x0)

    @property
    @abstractmethod
    def num_states(self) -> int:
        """Number of different values that a position of x_t can have."""

    @abstractmethod
    def lost(self, uniform: Tensor) -> Tensor:
        """What lost tokens become, int64, drawn from pi by uniform numbers in [0, 1)."""

    @abstractmethod
    def likelihood(self, x_t: Tensor, t: Tensor) -> Tensor:
        """q(x_t | x0) of each position as a function of x0, (batch, length, vocabulary)."""

    @abstractmethod
    def rates(self, x_t: Tensor, t: Tensor) -> Tensor:
        """Rates from x_t to each b, (batch, length, num_states); 0 to itself."""

    @abstractmethod
    def reversed_rates(self, x_t: Tensor, t: Tensor, probabilities: Tensor) -> Tensor:
        """Rates of the reversed chain from x_t to each b, of the shape of `rates`; 0 to itself.

        They are linear in p(x0 | x_t).

        Args:
            x_t: (batch, length).
            t: times, (batch,).
            probabilities: p(x0 | x_t) of each position, (batch, length, vocabulary).
        """

    @abstractmethod
    def bound(self, x0: Tensor, x_t: Tensor, t: Tensor, logits: Tensor) -> Tensor:
        """What each position adds to the bound of -log p(x0) for each unit of time, in nats.

        -log p(x0) <= integral over t of E[sum over positions of this], and it is met by the exact
        p(x0 | x_t) on average over the data. With r the reversed rates by the estimate, and r0
        those that x0 itself would give, it is

            sum over b of r(b) - r0(b) + r0(b) log(r0(b) / r(b))

        Args:
            x0: clean tokens, (batch, length).
            x_t: noisy ones.
            t: times, (batch,).
            logits: of p(x0 | x_t), (batch, length, vocabulary).

        Returns:
            (batch, length).
        """

    def transition(self, x_t: Tensor, t: Tensor, s: Tensor, probabilities: Tensor) -> Tensor:
        """p(x_s | x_t) of each position for s < t, (batch, length, num_states).

        It is linear in p(x0 | x_t). Positions are independent given x_t only where the step is
        short: that they are drawn so is the error of the sampler.

        Args:
            x_t: (batch, length).
            t: times of x_t, (batch,).
            s: earlier times, (batch,).
            probabilities: p(x0 | x_t) of each position, (batch, length, vocabulary).
        """
        alpha_s, alpha_t = (expand_like(self.alpha(time), probabilities) for time in (s, t))
        return self._posterior(x_t, alpha_s, alpha_t, probabilities)

    @abstractmethod
    def _posterior(
        self, x_t: Tensor, alpha_s: Tensor, alpha_t: Tensor, probabilities: Tensor
    ) -> Tensor: ...

    def _beta(self, t: Tensor) -> Tensor:
        """The rate at which tokens are lost, (batch, 1, 1)."""
        return (-self.alpha_rate(t) / self.alpha(t).clamp(min=SMALLEST))[:, None, None]

    def states(self, tokens: Tensor, like: Tensor) -> Tensor:
        """Tokens as vectors of 0 and 1, (batch, length, num_states), of the type of `like`."""
        return F.one_hot(tokens, self.num_states).to(like.dtype)


@dataclass(frozen=True)
class Masking(TokenProcess):
    """Lost tokens become the mask, which is the number `vocabulary`. What is visible is true."""

    @property
    def mask(self) -> int:
        """The number that stands for a masked token."""
        return self.vocabulary

    @property
    def num_states(self) -> int:
        return self.vocabulary + 1

    def lost(self, uniform: Tensor) -> Tensor:
        return torch.full_like(uniform, self.mask, dtype=torch.int64)

    def likelihood(self, x_t: Tensor, t: Tensor) -> Tensor:
        alpha = self.alpha(t)[:, None, None]
        own = F.one_hot(x_t, self.num_states)[..., :-1].to(alpha.dtype)
        return torch.where((x_t == self.mask).unsqueeze(-1), 1 - alpha, alpha * own)

    def rates(self, x_t: Tensor, t: Tensor) -> Tensor:
        is_visible = (x_t != self.mask).to(t.dtype).unsqueeze(-1)
        return F.pad(is_visible * self._beta(t), (self.vocabulary, 0))

    def reversed_rates(self, x_t: Tensor, t: Tensor, probabilities: Tensor) -> Tensor:
        rate = expand_like(-self.alpha_rate(t) / (1 - self.alpha(t)), probabilities)
        is_masked = (x_t == self.mask).unsqueeze(-1)
        return F.pad(torch.where(is_masked, rate * probabilities, 0.0), (0, 1))

    def bound(self, x0: Tensor, x_t: Tensor, t: Tensor, logits: Tensor) -> Tensor:
        # Where masked, r0 = rate [b = x0] and r = rate p(b): rate times the cross entropy is left.
        rate = (-self.alpha_rate(t) / (1 - self.alpha(t))).to(logits.dtype)
        entropy = F.cross_entropy(logits.flatten(0, 1), x0.flatten(), reduction="none")
        return expand_like(rate, x0) * entropy.reshape(x0.shape) * (x_t == self.mask)

    def _posterior(
        self, x_t: Tensor, alpha_s: Tensor, alpha_t: Tensor, probabilities: Tensor
    ) -> Tensor:
        shown = (alpha_s - alpha_t) / (1 - alpha_t)
        of_masked = torch.cat(
            [shown * probabilities, (1 - shown).expand_as(probabilities[..., :1])], -1
        )
        is_masked = (x_t == self.mask).unsqueeze(-1)
        return torch.where(is_masked, of_masked, self.states(x_t, probabilities))


@dataclass(frozen=True)
class Uniform(TokenProcess):
    """Lost tokens become any token, all with the same probability, their own included."""

    @property
    def num_states(self) -> int:
        return self.vocabulary

    def lost(self, uniform: Tensor) -> Tensor:
        return (uniform * self.vocabulary).long().clamp(max=self.vocabulary - 1)

    def likelihood(self, x_t: Tensor, t: Tensor) -> Tensor:
        alpha = self.alpha(t)[:, None, None]
        return (
            alpha * F.one_hot(x_t, self.vocabulary).to(alpha.dtype) + (1 - alpha) / self.vocabulary
        )

    def rates(self, x_t: Tensor, t: Tensor) -> Tensor:
        others = 1 - F.one_hot(x_t, self.vocabulary).to(t.dtype)
        return self._beta(t) / self.vocabulary * others

    def reversed_rates(self, x_t: Tensor, t: Tensor, probabilities: Tensor) -> Tensor:
        return self.rates(x_t, t).to(probabilities) * self._ratios(x_t, t, probabilities)

    def _ratios(self, x_t: Tensor, t: Tensor, probabilities: Tensor) -> Tensor:
        """E[q(b | x0) / q(x_t | x0) | x_t], with q(b | x0) = (1 - alpha) / K + alpha [b = x0]."""
        alpha = expand_like(self.alpha(t), probabilities).to(probabilities)
        weighted = probabilities / self.likelihood(x_t, t).to(probabilities)
        total = weighted.sum(-1, keepdim=True)
        return (1 - alpha) / self.vocabulary * total + alpha * weighted

    def bound(self, x0: Tensor, x_t: Tensor, t: Tensor, logits: Tensor) -> Tensor:
        # In float64: near t = 1 the rates have no bound, and the ratios differ by alpha alone.
        t, exact = t.double(), F.one_hot(x0, self.vocabulary).double()
        ratios0, ratios = (self._ratios(x_t, t, p) for p in (exact, logits.double().softmax(-1)))
        gap = ratios / ratios0 - 1
        each = self.rates(x_t, t) * ratios0 * (gap - gap.log1p())
        return each.sum(-1).to(logits.dtype)

    def _posterior(
        self, x_t: Tensor, alpha_s: Tensor, alpha_t: Tensor, probabilities: Tensor
    ) -> Tensor:
        # q(x_s | x_t, x0) = q(x_t | x_s) q(x_s | x0) / q(x_t | x0), summed over x0.
        own, K = self.states(x_t, probabilities), self.vocabulary
        between = alpha_t / alpha_s.clamp(min=SMALLEST)
        forward = between * own + (1 - between) / K  # q(x_t | x_s), as a function of x_s
        weighted = probabilities / (alpha_t * own + (1 - alpha_t) / K).clamp(min=SMALLEST)
        earlier = alpha_s * weighted + (1 - alpha_s) / K * weighted.sum(-1, keepdim=True)
        return forward * earlier
