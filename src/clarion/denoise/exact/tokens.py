"""Distributions of token sequences that are small enough to list every sequence.

Tokens are 0, ..., vocabulary - 1; -1 stands for a masked one. With all probabilities at hand the
conditionals that a token denoiser learns, and the distance of samples from the truth, are sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.denoise.exact.normal import as_numbers

MASKED = -1
MAX_SEQUENCES = 2**20
"""Above it a table is no longer small."""


@dataclass(frozen=True, eq=False)
class TokenDistribution:
    """Every sequence of a length with its probability.

    Args:
        probabilities: adding up to 1, (vocabulary,) * length: one axis a position.
    """

    probabilities: Tensor

    @property
    def length(self) -> int:
        """Tokens in a sequence."""
        return self.probabilities.ndim

    @property
    def vocabulary(self) -> int:
        """Number of different tokens."""
        return self.probabilities.shape[0]

    @cached_property
    def sequences(self) -> Tensor:
        """All of them, (vocabulary ** length, length), in the order of the flat probabilities."""
        token = torch.arange(self.vocabulary)
        return torch.cartesian_prod(*[token] * self.length).reshape(-1, self.length)

    def draw(self, n: int, generator: torch.Generator | None = None) -> Tensor:
        """`n` exact samples, (n, length) int64."""
        flat = self.probabilities.flatten()
        return self.sequences[flat.multinomial(n, replacement=True, generator=generator)]

    def conditional(self, tokens: Tensor) -> Tensor:
        """p(x_i | the visible tokens) of every position, (n, length, vocabulary).

        It is what an exact denoiser of masked tokens says. A visible token has probability 1.

        Args:
            tokens: (n, length), with -1 where a token is masked.

        Raises:
            ClarionError: if they are no such tokens, or the visible ones have probability 0.
        """
        if not torch.is_tensor(tokens) or tokens.ndim != 2 or tokens.shape[1] != self.length:
            shape = tuple(tokens.shape) if torch.is_tensor(tokens) else tokens
            raise ClarionError(f"tokens must have shape (n, {self.length}), got {shape}.")
        if tokens.is_floating_point() or tokens.is_complex():
            raise ClarionError(f"tokens must be whole numbers, got {tokens.dtype}.")
        if not bool(((tokens >= MASKED) & (tokens < self.vocabulary)).all()):
            raise ClarionError(
                f"tokens must be in 0..{self.vocabulary - 1}, or -1 for masked, "
                f"got {int(tokens.min())} to {int(tokens.max())}."
            )
        # Rows that show the same have the same answer; a sampler asks about few different ones.
        asked, row = tokens.long().unique(dim=0, return_inverse=True)
        return torch.stack([self._conditional(visible) for visible in asked])[row]

    def marginals(self, first: int, size: int) -> Tensor:
        """p(x_first, ..., x_(first + size - 1)), (vocabulary,) * size."""
        others = [i for i in range(self.length) if not first <= i < first + size]
        return self.probabilities.sum(others) if others else self.probabilities

    def _conditional(self, tokens: Tensor) -> Tensor:
        """The same for one sequence (length,): (length, vocabulary)."""
        fits = ((self.sequences == tokens) | (tokens == MASKED)).all(1)
        weights = torch.where(fits, self.probabilities.flatten(), 0.0)
        total = weights.sum()
        if not total > 0:
            raise ClarionError(f"The visible tokens of {tokens.tolist()} have probability 0.")
        table = (weights / total).reshape(self.probabilities.shape)
        positions = range(self.length)
        return torch.stack([table.sum([j for j in positions if j != i]) for i in positions])


def markov_chain(initial: Any, transition: Any, length: int) -> TokenDistribution:
    """x_1 ~ initial, x_(i + 1) ~ transition[x_i].

    Args:
        initial: (vocabulary,), adding up to 1.
        transition: rows adding up to 1, (vocabulary, vocabulary).
        length: of the sequences.

    Raises:
        ClarionError: if they are no probabilities, or there are more than 2^20 sequences.

    Example:
        >>> chain = markov_chain([0.5, 0.5], [[0.9, 0.1], [0.2, 0.8]], length=2)
        >>> chain.probabilities[1]  # 1 0, and 1 1
        tensor([0.1000, 0.4000], dtype=torch.float64)
    """
    start, step = _probabilities("initial", initial, 1), _probabilities("transition", transition, 2)
    if step.shape != (len(start), len(start)):
        raise ClarionError(
            f"transition must have shape {(len(start), len(start))}, got {tuple(step.shape)}."
        )
    if length < 1 or len(start) ** length > MAX_SEQUENCES:
        raise ClarionError(
            f"length must be at least 1, and {len(start)} ** length at most {MAX_SEQUENCES}, "
            f"got {length}."
        )
    table = start
    for _ in range(length - 1):
        table = table.unsqueeze(-1) * step
    return TokenDistribution(table)


@dataclass(frozen=True, eq=False)
class HiddenMarkovModel:
    """A hidden chain x, of which each token is shown as y_i ~ emission[x_i].

    Args:
        hidden: the distribution of x.
        emission: rows adding up to 1, (vocabulary of x, vocabulary of y).
    """

    hidden: TokenDistribution
    emission: Tensor

    def draw(self, n: int, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
        """`n` pairs of hidden (n, length) and shown tokens (n, length)."""
        x = self.hidden.draw(n, generator)
        rows = self.emission[x].flatten(0, 1)
        return x, rows.multinomial(1, generator=generator).reshape(x.shape)

    def posterior(self, y: Tensor) -> TokenDistribution:
        """p(x | y) for shown tokens (length,), proportional to p(x) prod_i emission[x_i, y_i].

        Raises:
            ClarionError: if they are no such tokens, or have probability 0.
        """
        shown = self.emission.shape[1]
        if y.shape != (self.hidden.length,) or not bool(((y >= 0) & (y < shown)).all()):
            raise ClarionError(
                f"y must be {self.hidden.length} tokens in 0..{shown - 1}, got {y.tolist()}."
            )
        likelihood = self.emission[self.hidden.sequences, y].prod(1)
        joint = self.hidden.probabilities * likelihood.reshape(self.hidden.probabilities.shape)
        total = joint.sum()
        if not total > 0:
            raise ClarionError(f"The shown tokens {y.tolist()} have probability 0.")
        return TokenDistribution(joint / total)


def hidden_markov_model(
    initial: Any, transition: Any, emission: Any, length: int
) -> HiddenMarkovModel:
    """The model whose hidden chain is `markov_chain(initial, transition, length)`."""
    hidden = markov_chain(initial, transition, length)
    shown = _probabilities("emission", emission, 2)
    if len(shown) != hidden.vocabulary:
        raise ClarionError(f"emission must have {hidden.vocabulary} rows, got {len(shown)}.")
    return HiddenMarkovModel(hidden, shown)


def total_variation(tokens: Tensor, table: Tensor) -> float:
    """Half the sum of |share of a sequence among the tokens - its probability|, in [0, 1].

    Args:
        tokens: (n, size).
        table: probabilities of all sequences of that size, (vocabulary,) * size.
    """
    places = table.shape[0] ** torch.arange(table.ndim - 1, -1, -1)
    counts = torch.bincount((tokens * places).sum(1), minlength=table.numel())
    return float((counts / len(tokens) - table.flatten()).abs().sum() / 2)


def _probabilities(name: str, values: Any, num_axes: int) -> Tensor:
    """Finite float64 numbers, at least 0, whose last axis adds up to 1 exactly."""
    table = as_numbers(name, values, (None,) * num_axes)
    totals = table.sum(-1, keepdim=True)
    # 1e-6: shares written with six digits, or in float32, still add up to one.
    if (table < 0).any() or ((totals - 1).abs() > 1e-6).any():
        raise ClarionError(f"{name} must be at least 0 and add up to 1, got {table.tolist()}.")
    return table / totals
