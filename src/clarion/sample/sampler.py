"""The contract of a sampler, and the step that all Gaussian samplers share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self, TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.shapes import are_finite
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.guide.rule import SampleSpace
from clarion.process.gaussian import GaussianProcess
from clarion.sample.plan import Plan, Stage, Update, convert, noise_levels

State: TypeAlias = tuple[Tensor, ...]
"""What a sampler carries from step to step; its first entry is what the denoiser is asked about."""


@dataclass(frozen=True)
class Sampler(ABC):
    """A way from noise to data. Its fields are its options; it holds no state of its own."""

    num_particles = 1
    """How many states it keeps for each sample; the denoiser is asked about all of them."""

    @property
    def can_diverge(self) -> bool:
        """Whether its own steps, where they are too long, can make a sample infinite."""
        return True

    @property
    @abstractmethod
    def order(self) -> int:
        """The power of the step size with which the error falls, for the options as they are.

        That is the error of the deterministic flow or, for a stochastic sampler, of the mean and
        the variance (weak error); the final step to noise level 0, which is the same whatever the
        number of steps, is left out.
        """

    @property
    @abstractmethod
    def is_stochastic(self) -> bool:
        """Whether it draws noise after its start."""

    def bind(self, space: SampleSpace) -> Self:
        """The same sampler for one model's samples; see `Guidance.bind`."""
        return self

    def given(self, condition: Condition | None) -> Self:
        """The same sampler for one batch: what is asked for, a row for each row of the state."""
        return self

    def following(self, denoiser: Denoiser) -> Self:
        """The same sampler for one denoiser, by whose process it chooses what was left open.

        Raises:
            ClarionError: if it cannot follow it, naming the rule round it that is in the way.
        """
        return self

    @abstractmethod
    def plan(self, process: Any, times: Tensor, dtype: torch.dtype = torch.float64) -> Any:
        """Work out all coefficients, on the host and in float64, before the loop.

        Args:
            process: how the data was noised.
            times: falling times (num_steps + 1,), as a `Grid` gives them.
            dtype: type of the state that the plan will drive.
        """

    @abstractmethod
    def begin(self, plan: Any, streams: SampleStreams, like: Tensor) -> State:
        """The state before the first step, of the type and device of `like` (batch, *shape).

        Its first entry is (batch, *shape), or (batch num_particles, *shape) with the particles of a
        sample one after the other.
        """

    @abstractmethod
    def draw(self, stage: Any, streams: SampleStreams, like: Tensor) -> Any:
        """The random numbers that a stage needs, for `step`; None where it needs none."""

    @abstractmethod
    def step(self, stage: Any, state: State, estimate: Any, noise: Any) -> State:
        """The state after a stage, given what the denoiser said of `state[0]`."""

    def is_finite(self, state: State) -> Tensor:
        """Whether each sample was made of finite numbers alone so far, (batch,) bool."""
        return are_finite(state[0])

    def finish(self, state: State, streams: SampleStreams) -> Tensor:
        """The samples (batch, *shape), out of the state after the last stage."""
        return state[0]


@dataclass(frozen=True)
class AffineSampler(Sampler):
    """A sampler for Gaussian processes: an affine recursion (see `plan.py`).

    A family implements `updates` alone.
    """

    uses_residuals: ClassVar[bool] = False
    """Whether an entry of the history is a residual y - D, or D itself."""

    @abstractmethod
    def updates(self, levels: list[float]) -> list[Update]:
        """The recursion for y = x_t / alpha.

        Args:
            levels: falling noise levels s = sigma / alpha, (num_steps + 1,); only the last one
                may be 0, and then the last update gives the estimate itself.
        """

    def plan(
        self, process: GaussianProcess, times: Tensor, dtype: torch.dtype = torch.float64
    ) -> Plan:
        levels = noise_levels(process, times)
        return convert(process, times, levels, self.updates(levels), self.uses_residuals, dtype)

    def begin(self, plan: Plan, streams: SampleStreams, like: Tensor) -> State:
        noise = streams.normal(like.shape[1:], device=like.device, dtype=like.dtype)
        return (noise.mul_(plan.initial_scale),)

    def draw(self, stage: Stage, streams: SampleStreams, like: Tensor) -> Tensor | None:
        if not stage.noise:
            return None
        return streams.normal(like.shape[1:], device=like.device, dtype=like.dtype)

    def step(self, stage: Stage, state: State, estimate: Estimate, noise: Tensor | None) -> State:
        """x <- keep x + sum_j weights[j] history[j] + noise z."""
        x, entry = state[0], estimate.mean
        if self.uses_residuals:
            entry = torch.sub(x, entry, alpha=stage.alpha)
        history = (entry, *state[1:])
        x = torch.mul(x, stage.keep)  # out of place: a denoiser may return its own input
        for weight, entry in zip(stage.weights, history, strict=False):
            if weight:
                x.add_(entry, alpha=weight)
        if noise is not None:
            x.add_(noise, alpha=stage.noise)
        return (x, *history[: stage.num_kept])


def final_update(level: float, uses_residuals: bool = False) -> Update:
    """The step to noise level 0: y <- D, the estimate itself."""
    if uses_residuals:
        return Update(level, 0.0, 1.0, (-1.0,))
    return Update(level, 0.0, 0.0, (1.0,))
