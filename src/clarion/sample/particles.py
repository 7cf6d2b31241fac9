"""Particles: samples of a tilted density, by a reward that needs no gradient.

Each sample is the survivor of P particles, which another sampler moves. At evaluation k, with D_k
the estimate, D_0 the first and r = 0 before it, a particle's weight takes the factor

    exp(scale (r(D_k) - r(D_{k-1}))),        the last with x0 itself in place of D_k.

The factors telescope to exp(scale r(x0)), so that with many particles the samples have the density
q(x0) exp(scale r(x0)) up to its constant, q being that of the sampler alone; the bias is O(1 / P).
Where the effective number of particles (sum w)² / sum w² falls too low, they are resampled in
proportion to their weights, by systematic resampling.

Twisted: where the gradient of the same reward also steers the denoiser, from D to D', a particle
moves by x' = keep x + w D' + c z, and its weight takes the ratio of the transition densities too,

    log N(x'; keep x + w D, c²) - log N(x'; keep x + w D', c²) = (|z|² - |z + w (D' - D) / c|²) / 2.

The law is the same; the particles are where they are needed. Steps without noise follow D.

Sources: Singhal et al. 2025, arXiv 2501.06848 (the "difference" potential); Wu et al. 2023, arXiv
2306.17775, algorithm 1 (twisted); Kitagawa 1996, doi 10.1080/10618600.1996.10474692 (systematic).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError, SamplingError
from clarion.base.streams import SampleStreams
from clarion.denoise.estimate import Estimate
from clarion.guide.gradient.reward import Reward
from clarion.guide.rule import SampleSpace
from clarion.process.gaussian import GaussianProcess
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.options import check_choice, check_number, check_whole
from clarion.sample.plan import Plan, Stage
from clarion.sample.sampler import AffineSampler, Sampler, State

Choose: TypeAlias = Literal["draw", "best"]

Report: TypeAlias = Callable[[float, Tensor, Tensor], None]
"""Called at each evaluation with its time, the effective number of particles of each sample, in
[1, num_particles], (batch,), and whether they were then resampled, (batch,) bool."""


@dataclass(frozen=True)
class ParticleSampler(Sampler):
    """Weighs and resamples the particles of another sampler by a reward.

    A twisting `Reward` must be the outermost rule of guidance: a rule round it hides its steering
    from the weights. Its settings change no law, only how many particles are needed. With choose
    "best" and an ess_threshold of 0 it is best-of-n.

    Args:
        reward: its `fn` and `scale` are used; it needs no gradient.
        num_particles: P, for each sample; the network is asked about each of them.
        sampler: moves the particles; it must draw noise if they are resampled, since copies would
            stay alike, and only one without a memory can be twisted.
        ess_threshold: resample where the effective number of particles falls below this share of
            them, in [0, 1]; 0: never.
        choose: "draw" a particle in the end by its weight, or keep the "best" by its reward.
        report: see `Report`.
        condition: what is asked for, set by `given`.
    """

    reward: Reward
    num_particles: int = field()  # not the 1 of other samplers
    sampler: AffineSampler = field(default_factory=DDPMSampler)
    ess_threshold: float = 0.5
    choose: Choose = "draw"
    report: Report | None = None
    condition: Condition | None = field(default=None, kw_only=True, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_whole("num_particles", self.num_particles, 1)
        check_number("ess_threshold", self.ess_threshold, 0, 1)
        check_choice("choose", self.choose, get_args(Choose))
        if not isinstance(self.sampler, AffineSampler):
            raise ClarionError(
                f"Particles are moved by a sampler such as DDPMSampler(), got {self.sampler!r}."
            )
        if self.ess_threshold and not self.sampler.is_stochastic:
            raise ClarionError(
                f"{self.sampler} draws no noise, so that resampled particles would stay alike: "
                f"take one that does, such as DDPMSampler(), or ess_threshold=0."
            )

    @property
    def order(self) -> int:
        return self.sampler.order

    @property
    def is_stochastic(self) -> bool:
        is_drawn = self.choose == "draw" and self.num_particles > 1
        return self.sampler.is_stochastic or is_drawn

    def bind(self, space: SampleSpace) -> Self:
        reward, sampler = self.reward.bind_values(space), self.sampler.bind(space)
        return replace(self, reward=reward, sampler=sampler)

    def given(self, condition: Condition | None) -> Self:
        return replace(self, condition=condition)

    def plan(
        self, process: GaussianProcess, times: Tensor, dtype: torch.dtype = torch.float64
    ) -> Plan:
        return self.sampler.plan(process, times, dtype)

    def begin(self, plan: Plan, streams: SampleStreams, like: Tensor) -> State:
        """The sampler's own state, log weights and rewards so far, each (batch particles, ...)."""
        particles = like.unsqueeze(1).expand(-1, self.num_particles, *like.shape[1:])
        inner = [part.flatten(0, 1) for part in self.sampler.begin(plan, streams, particles)]
        zeros = like.new_zeros(len(inner[0]))
        return (*inner, zeros, zeros)

    def draw(self, stage: Stage, streams: SampleStreams, like: Tensor) -> Any:
        """The sampler's noise, and a number in [0, 1) for each sample to resample with, or None."""
        noise = self.sampler.draw(stage, streams, like.unflatten(0, (-1, self.num_particles)))
        is_idle = self.ess_threshold == 0 or self.num_particles == 1
        uniform = None if is_idle else streams.uniform((1,), device=like.device, dtype=like.dtype)
        return None if noise is None else noise.flatten(0, 1), uniform

    def step(self, stage: Stage, state: State, estimate: Estimate, noise: Any) -> State:
        *inner, log_weights, last = state
        fresh, uniform = noise
        base = estimate.mean if estimate.untwisted is None else estimate.untwisted
        if stage.next_t == 0:  # what the sampler leaves is x0: weigh that, and leave it to `finish`
            inner = self.sampler.step(stage, tuple(inner), Estimate(base), fresh)
            log_weights, values = self._weigh(inner[0], log_weights, last)
            self._resample(stage, log_weights, None)
            return (*inner, log_weights, values)
        log_weights, values = self._weigh(base, log_weights, last)
        log_weights, parents = self._resample(stage, log_weights, uniform)
        steered = estimate.mean if stage.noise else base
        *inner, base, steered, values = (
            part if parents is None else part[parents] for part in (*inner, base, steered, values)
        )
        moved = self.sampler.step(stage, tuple(inner), Estimate(steered), fresh)
        if estimate.untwisted is not None and stage.noise:
            log_weights = log_weights + self._log_ratio(stage, steered - base, fresh)
        return (*moved, log_weights, values)

    def finish(self, state: State, streams: SampleStreams) -> Tensor:
        x, log_weights, values = (
            part.unflatten(0, (-1, self.num_particles)) for part in (state[0], *state[-2:])
        )
        if self.num_particles == 1:
            return x[:, 0]
        if self.choose == "best":
            chosen = (-values if self.reward.scale < 0 else values).argmax(1)
        else:
            uniform = streams.uniform((1,), device=x.device, dtype=x.dtype)
            chosen = pick(log_weights, uniform)[:, 0]
        return x[torch.arange(len(x), device=x.device), chosen]

    def _weigh(self, x0: Tensor, log_weights: Tensor, last: Tensor) -> tuple[Tensor, Tensor]:
        """The log weights with the next factor, and the rewards of x0."""
        values = self.reward.values(x0, self.condition).to(log_weights)
        log_weights = log_weights + self.reward.scale * (values - last)
        if not log_weights.isfinite().all():
            num_bad = int((~log_weights.isfinite()).sum())
            raise SamplingError(
                f"{num_bad} of {len(values)} particles have weights that are not finite: the "
                f"reward must be finite wherever the model goes, a large penalty and not infinity."
            )
        return log_weights, values

    def _resample(
        self, stage: Stage, log_weights: Tensor, uniform: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The log weights after resampling, and the row from which each row comes, if any may."""
        count = self.num_particles
        rows = log_weights.unflatten(0, (-1, count))
        effective = 1 / rows.softmax(1).square().sum(1)
        is_poor = effective < self.ess_threshold * count
        if uniform is None:
            is_poor = torch.zeros_like(is_poor)
        if self.report is not None:
            self.report(stage.t, effective, is_poor)
        if uniform is None:
            return log_weights, None
        own = torch.arange(count, device=rows.device)
        chosen = torch.where(is_poor.unsqueeze(1), pick(rows, (own + uniform) / count), own)
        first = torch.arange(len(rows), device=rows.device).unsqueeze(1) * count
        rows = rows.masked_fill(is_poor.unsqueeze(1), 0.0)
        return rows.flatten(), (first + chosen).flatten()

    def _log_ratio(self, stage: Stage, shift: Tensor, z: Tensor) -> Tensor:
        """log of the transition density without the steering over that with it, (rows,)."""
        sampler = self.sampler
        if sampler.uses_residuals or len(stage.weights) != 1 or stage.num_kept:
            raise ClarionError(
                f"Particles that the gradient of a reward steers need a sampler without a memory, "
                f"such as DDPMSampler(), got {sampler}."
            )
        unsteered = z + stage.weights[0] / stage.noise * shift
        return (z.square() - unsteered.square()).flatten(1).sum(1) / 2


def pick(log_weights: Tensor, at: Tensor) -> Tensor:
    """The inverse of the distribution function of weights.

    Args:
        log_weights: (batch, particles).
        at: numbers in [0, 1), (batch, count).

    Returns:
        Numbers of particles, (batch, count); none of weight 0.
    """
    total = log_weights.softmax(1).cumsum(1)
    # Divided by the last, so that it is 1 and no rounding leaves a number above it.
    chosen = torch.searchsorted(total / total[:, -1:], at.contiguous(), right=True)
    return chosen.clamp(max=log_weights.shape[1] - 1)
