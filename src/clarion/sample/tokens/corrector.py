"""Predictor and corrector: steps to less noise, and steps that mend at the same noise."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from clarion.base.options import check_number, check_whole
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import TokenProcess
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.sampler import TokenStage, at
from clarion.sample.tokens.tau_leaping import leap


@dataclass(frozen=True)
class PredictorCorrector(AncestralTokens):
    """Ancestral steps, after each of which tokens are lost and found again at the same time.

    The chain that has the rates of the process and of its reversal leaves p_t as it is; it is
    followed by tau-leaping. Each corrector step costs an evaluation.

    Args:
        num_corrections: after each step but the last, at least 1.
        length: how long each lasts, as a share of the step before it, above 0.

    Source: Campbell et al. 2022, arXiv 2205.14987, proposition 4.
    """

    num_corrections: int = 1
    length: float = 1.0

    def __post_init__(self) -> None:
        check_whole("num_corrections", self.num_corrections, 1)
        check_number("length", self.length, 0)

    def stages(self, process: TokenProcess, stops: list[tuple[float, float]]) -> list[TokenStage]:
        found: list[TokenStage] = []
        for t, next_t in stops:
            found.append(TokenStage(process, t, next_t))
            if next_t > 0:
                duration = self.length * (t - next_t)
                found += [TokenStage(process, next_t, next_t, duration)] * self.num_corrections
        return found

    def transition(self, stage: TokenStage, x: Tensor, estimate: TokenEstimate) -> Tensor:
        if not stage.mends_for:
            return super().transition(stage, x, estimate)
        process, t, p = stage.process, at(stage.t, x), estimate.mean
        rates = process.rates(x, t) + process.reversed_rates(x, t, p)
        return leap(rates, stage.mends_for, process.states(x, rates))
