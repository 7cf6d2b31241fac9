"""A predictor of one's own, asked in the units of the target.

It need not have these units: what it says is moved and stretched so that the known sequences have
the mean and the deviation of their measured values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor
from torch.nn import functional as F

from clarion.base.errors import ClarionError
from clarion.domains.sequence.design.known import Known
from clarion.guide.trial import describe, kind_of, name_of, try_values_at

Function: TypeAlias = Callable[[Tensor], Tensor]
"""Sequences as vectors of one 1, (n, length, vocabulary), in the order of the vocabulary -> what is
expected of each, (n,), larger where the target is; each by itself."""

BATCH = 256


class Predictor:
    """Gives what a function says of sequences.

    Args:
        function: see `Function`.
        known: by which it is scaled.

    Raises:
        ClarionError: if it fails on a known sequence, gives something else than a finite number of
            each, or the same of all, is random, or lets a sequence depend on the others.
    """

    def __init__(self, function: Function, known: Known) -> None:
        self.function, self.known = function, known
        self.mean, self.std = float(known.values.mean()), float(known.values.std())
        self._rows = {text: row for row, text in enumerate(known.texts, 1)}
        said = self._ask(known.tokens)
        self._own_mean, self._own_std = float(said.mean()), float(said.std())
        if not self._own_std > 0:
            raise ClarionError(
                f"The predictor {name_of(function)} says {self._own_mean:g} of all {len(said)} "
                "known sequences: nothing can be learnt from it."
            )
        different = torch.tensor([int(said.argmin()), int(said.argmax())])
        two = self._vectors(known.tokens[different])
        try_values_at(f"predictor {name_of(function)}", lambda x, _: function(x), two)
        self.is_smooth = _is_smooth(function, (two + two.flip(0)) / 2)
        """Whether it can steer: torch can differentiate it between letters."""

    def __call__(self, vectors: Tensor) -> Tensor:
        """Vectors (n, length, vocabulary) -> (n,), in units of the target."""
        return self._scaled(self.function(vectors))

    def of_tokens(self, tokens: Tensor) -> Tensor:
        """Tokens (n, length) -> (n,) float64, in units of the target.

        Raises:
            ClarionError: naming the first sequence on which it fails.
        """
        return self._scaled(self._ask(tokens))

    def _scaled(self, said: Tensor) -> Tensor:
        return self.mean + self.std * (said - self._own_mean) / self._own_std

    def _vectors(self, tokens: Tensor) -> Tensor:
        return F.one_hot(tokens, self.known.vocabulary.size).float()

    @torch.no_grad()
    def _ask(self, tokens: Tensor) -> Tensor:
        """What the function itself says, (n,) float64."""
        return torch.cat([self._ask_some(part) for part in tokens.split(BATCH)])

    def _ask_some(self, tokens: Tensor) -> Tensor:
        what = f"The predictor {name_of(self.function)}"
        try:
            said = self.function(self._vectors(tokens))
        except Exception as error:
            if len(tokens) > 1:  # find the one it fails on
                return torch.cat([self._ask_some(row) for row in tokens.split(1)])
            (text,) = self.known.texts_of(tokens)
            raise ClarionError(f"{what} fails on {self._place(text)}: {describe(error)}") from error
        if not isinstance(said, Tensor) or said.shape != (len(tokens),):
            got = tuple(said.shape) if isinstance(said, Tensor) else kind_of(said)
            raise ClarionError(
                f"{what} must give a tensor of one number a sequence, shape ({len(tokens)},), got "
                f"{got}."
            )
        broken = ~said.isfinite()
        if broken.any():
            texts = self.known.texts_of(tokens[broken])
            raise ClarionError(f"{what} gives {float(said[broken][0])} of {self._place(texts[0])}.")
        return said.double()

    def _place(self, text: str) -> str:
        row = self._rows.get(text)
        return f"{text!r}" if row is None else f"sequence {row} of the table, {text!r}"


def _is_smooth(function: Function, between: Tensor) -> bool:
    """Whether torch gives a finite slope of it, (n, length, vocabulary), between letters."""
    try:
        with torch.enable_grad():
            said = function(between.requires_grad_())
            (slope,) = torch.autograd.grad(said.sum(), between)
    except Exception:  # it may be made of anything that takes whole letters alone
        return False
    return bool(slope.isfinite().all())
