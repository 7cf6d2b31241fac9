"""What sequences promise: an ensemble, and a predictor of one's own where there is one."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.domains.sequence.design.known import Known
from clarion.domains.sequence.design.predictor import Predictor
from clarion.train.ensemble import Ensemble

BATCH = 128


@dataclass(frozen=True, eq=False)
class Judge:
    """Says what sequences promise, in units of the target.

    Args:
        ensemble: of predictors of the target, from what is known.
        known: what is known.
        sign: 1 where much is wanted, -1 where little is.
        level: of the ensemble's intervals, in (0, 1).
        predictor: one's own; if it can be differentiated it steers, too.
    """

    ensemble: Ensemble
    known: Known
    sign: float
    level: float
    predictor: Predictor | None = None

    def promise(self, vectors: Tensor, condition: Condition | None = None) -> Tensor:
        """What is steered by: the value in deviations of the known ones, (n,), differentiable.

        Args:
            vectors: (n, length, vocabulary).
            condition: not read.
        """
        values = self.ensemble(vectors)
        if self.predictor is not None and self.predictor.is_smooth:
            values = (values + self.predictor(vectors)) / 2
        return self.sign * values / float(self.known.values.std())

    def surely(self, tokens: Tensor) -> Tensor:
        """The value that each sequence (n, length) most likely exceeds (falls below), (n,).

        The lower (upper) end of the ensemble's interval; with a predictor the mean of both.
        """
        low, high = self.interval(tokens)
        sure = low if self.sign > 0 else high
        if self.predictor is None:
            return sure
        return (sure + self.predictor.of_tokens(tokens)) / 2

    def predicted(self, tokens: Tensor) -> Tensor:
        """Mean of the ensemble, (n,) float64."""
        return torch.cat([self.ensemble(part) for part in tokens.split(BATCH)]).double()

    def interval(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Both ends of the ensemble's intervals, (n,) each."""
        parts = [self.ensemble.interval(part, self.level) for part in tokens.split(BATCH)]
        low, high = (torch.cat(ends) for ends in zip(*parts, strict=True))
        return low, high
