"""The step that token samplers share.

A stage asks the denoiser once and then draws each position anew, independently of the others given
the estimate. That is exact only for short steps: with many the samples follow the reversed chain.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from clarion.base.choices import draw_choices
from clarion.base.errors import ClarionError
from clarion.base.shapes import are_finite
from clarion.base.streams import SampleStreams
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import TokenProcess
from clarion.sample.sampler import Sampler, State


@dataclass(frozen=True, slots=True)
class TokenStage:
    """One stop.

    Args:
        process: how tokens are lost.
        t: time at which the denoiser is asked.
        next_t: time of the tokens that the stage leaves; 0 for the data.
        mends_for: duration for which it stays at its time, to mend what the steps before did.
    """

    process: TokenProcess
    t: float
    next_t: float
    mends_for: float = 0.0


@dataclass(frozen=True, slots=True)
class TokenPlan:
    """All stops, in their order; the denoiser is asked once in each."""

    process: TokenProcess
    stages: tuple[TokenStage, ...]

    @property
    def num_evaluations(self) -> int:
        """Evaluations of the denoiser that one sample costs."""
        return len(self.stages)


@dataclass(frozen=True)
class TokenSampler(Sampler):
    """A way from lost tokens to tokens. A family implements `transition`.

    Its state are the tokens, and whether the probabilities that they were drawn from were all
    finite: nothing shows of a token that some of them were not.
    """

    @property
    def can_diverge(self) -> bool:
        return False

    @property
    def order(self) -> int:
        return 1

    @property
    def is_stochastic(self) -> bool:
        return True

    @abstractmethod
    def transition(self, stage: TokenStage, x: Tensor, estimate: TokenEstimate) -> Tensor:
        """Probabilities of what each position becomes, (batch, length, num_states), float64."""

    def check_process(self, process: TokenProcess) -> None:
        """Refuse a process that this sampler does not know.

        Raises:
            ClarionError: naming those that it knows.
        """
        return

    def plan(self, process: Any, times: Tensor, dtype: torch.dtype = torch.float64) -> TokenPlan:
        if not isinstance(process, TokenProcess):
            raise ClarionError(
                f"{self} draws tokens, and the model is of {process}: take 'ddpm', say."
            )
        self.check_process(process)
        stops = pairwise(times.tolist())
        return TokenPlan(process, tuple(self.stages(process, list(stops))))

    def stages(self, process: TokenProcess, stops: list[tuple[float, float]]) -> list[TokenStage]:
        """The stops, out of the times (t, next_t) of a grid."""
        return [TokenStage(process, t, next_t) for t, next_t in stops]

    def begin(self, plan: TokenPlan, streams: SampleStreams, like: Tensor) -> State:
        uniform = streams.fine_uniform(like.shape[1:], device=like.device)
        is_finite = torch.ones(like.shape[:-1], dtype=torch.bool, device=like.device)
        return plan.process.lost(uniform), is_finite

    def draw(self, stage: TokenStage, streams: SampleStreams, like: Tensor) -> Tensor:
        return streams.fine_uniform(like.shape[1:], device=like.device)

    def step(
        self, stage: TokenStage, state: State, estimate: TokenEstimate, noise: Tensor
    ) -> State:
        probabilities = self.tilted(self.transition(stage, state[0], estimate), estimate)
        is_finite = state[1] & are_finite(probabilities)
        return draw_choices(probabilities, noise), is_finite

    def is_finite(self, state: State) -> Tensor:
        return state[1]

    @staticmethod
    def tilted(probabilities: Tensor, estimate: TokenEstimate) -> Tensor:
        """The probabilities of where positions go, times what a rule makes of each way."""
        if estimate.tilt is None:
            return probabilities
        weighted = probabilities * estimate.tilt.double().exp()
        return weighted / weighted.sum(-1, keepdim=True)


def at(time: float, x: Tensor) -> Tensor:
    """The same time for each sample, (batch,) float64."""
    return torch.full((len(x),), time, dtype=torch.float64, device=x.device)
