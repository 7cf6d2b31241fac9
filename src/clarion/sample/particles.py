"""Particles: samples of a tilted density, by a reward that needs no gradient.

Each sample is the survivor of P particles, which another sampler moves. At evaluation k, with D_k
the estimate and r_0 = 0, a particle's weight takes the factor

    exp(scale (r(D_k) - r(D_{k-1}))),        the last with x0 itself in place of D_k.

The factors telescope to exp(scale r(x0)), so that with many particles the samples have the density
q(x0) exp(scale r(x0)) up to its constant, q being that of the sampler alone; the bias is O(1 / P).
Where the effective number of particles falls too low, they are resampled.

Twisted: where a rule of guidance also steers the denoiser, from D to D', a particle's fresh noise z
is moved to z + d, and its weight takes the ratio of the transition densities too,

    d = c / (s s') (D' - D),        N(z + d; 0, 1) / N(z; 0, 1) = exp((|z|² - |z + d|²) / 2),

for a step from noise level s to s' with noise of deviation c on x_t / alpha. The law is the same
whatever d; the particles are where they are needed. Steps without noise follow D.

Why this d: the best proposal of all moves z by c grad log psi(y'), with psi the expectation of
exp(scale r(x0)) given y'. The steering adds g = (D' - D) / s² to the score, which is the gradient
of scale r(D) at the level s. For Gaussian data of variance V and a linear r it is
(s² + V) / (s'² + V) times as large at s': between 1 (V large) and s² / s'² (V small), and s / s' is
half way. Following D' itself, which is d at V small, falls behind at few steps (see the tests).

Sources: Singhal et al. 2025, arXiv 2501.06848 (the "difference" potential); Wu et al. 2023, arXiv
2306.17775, algorithm 1 (twisted), whose proposals follow D' itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError, SamplingError
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.guide.gradient.reward_function import RewardFunction, bind_reward, rewards_of
from clarion.guide.rule import SampleSpace, rules_round
from clarion.process.gaussian import GaussianProcess
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.options import check_choice, check_number, check_whole
from clarion.sample.plan import Plan, Stage
from clarion.sample.resampling import effective_number, pick, resample
from clarion.sample.sampler import AffineSampler, Sampler, State

Choose: TypeAlias = Literal["draw", "best"]

Report: TypeAlias = Callable[[float, Tensor, Tensor], None]
"""Called at each evaluation with its time, the effective number of particles of each sample, in
[1, num_particles] or 0 where none has a weight yet, (batch,), and whether they were then
resampled, (batch,) bool."""


@dataclass(frozen=True, slots=True, eq=False)
class ParticleStage(Stage):
    """A stage of the sampler that moves the particles.

    Args:
        pull: d / (D' - D), as above; 0 where the stage draws no noise.
    """

    pull: float


@dataclass(frozen=True)
class ParticleSampler(Sampler):
    """Weighs and resamples the particles of another sampler by a reward.

    A rule that twists, such as `Reward`, must be the outermost. It changes no law, whatever its
    reward and its scale, only how many particles are needed. A smooth reward steers best at its own
    scale, a sharp one, such as the log-likelihood of a precise measurement, at a part of it: see
    that the effective number rises. With choose="best" and ess_threshold=0 it is best-of-n.

    Resampling helps where r(D) foretells r(x0). Where it does not, as for log p(class | x0) halfway
    between two modes, it kills the wrong particles, and the bias falls slowly with P: 0 for
    ess_threshold is then better.

    Args:
        fn: the reward r, of x0 in data units and the condition; no sample's may depend on another.
            It needs no gradient; -infinity forbids a sample.
        scale: factor of the reward in the exponent.
        num_particles: P, for each sample; the network is asked about each of them.
        sampler: moves the particles; it must draw noise if they are resampled, since copies would
            stay alike.
        ess_threshold: resample where the effective number of particles falls below this share of
            them, in [0, 1]; 0: never.
        choose: "draw" a particle in the end by its weight, or keep the "best" by its reward.
        report: see `Report`.
        condition: what is asked for, set by `given`.
    """

    fn: RewardFunction = field(repr=False, metadata={"form": "FILE.py#FUNCTION"})
    scale: float
    num_particles: int = field()  # not the 1 of other samplers
    sampler: AffineSampler = field(default_factory=DDPMSampler, kw_only=True)
    ess_threshold: float = field(default=0.5, kw_only=True)
    choose: Choose = field(default="draw", kw_only=True)
    report: Report | None = field(default=None, kw_only=True, repr=False, metadata={"typed": False})
    condition: Condition | None = field(
        default=None, kw_only=True, repr=False, compare=False, metadata={"typed": False}
    )

    def __post_init__(self) -> None:
        if not math.isfinite(self.scale):
            raise ClarionError(f"scale must be a finite number, got {self.scale}.")
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
        return replace(self, fn=bind_reward(self.fn, space), sampler=self.sampler.bind(space))

    def given(self, condition: Condition | None) -> Self:
        return replace(self, condition=condition)

    def check(self, denoiser: Denoiser) -> None:
        outermost, *others = rules = [*rules_round(denoiser), None]
        remembering = next((rule for rule in rules if rule is not None and rule.remembers), None)
        if self.ess_threshold and remembering is not None:
            raise ClarionError(
                f"The rule {type(remembering).__name__} remembers each row from step to step, and "
                f"resampled particles change their rows: take another rule, or ess_threshold=0."
            )
        hidden = next((rule for rule in others if rule is not None and rule.twists), None)
        if hidden is not None:
            outside = "a wrapper" if outermost is None else type(outermost).__name__
            raise ClarionError(
                f"The sampler particles takes the steering of the rule {type(hidden).__name__} "
                f"out of its weights, which {outside} round it would hide. Make it the last rule, "
                f"or leave it out: particles need no gradient."
            )

    def plan(
        self, process: GaussianProcess, times: Tensor, dtype: torch.dtype = torch.float64
    ) -> Plan:
        plan = self.sampler.plan(process, times, dtype)
        moments = [(s.t, s.next_t if s.noise else s.t) for s in plan.stages]
        t, next_t = torch.tensor(moments, dtype=torch.float64).unbind(1)
        # c / (s s'), with c = noise / alpha', s' = sigma' / alpha'.
        by_noise = 1 / (process.noise_level(t) * process.sigma(next_t))
        stages = [
            ParticleStage(
                *(getattr(stage, f.name) for f in fields(stage)), pull=stage.noise * factor
            )
            for stage, factor in zip(plan.stages, by_noise.tolist(), strict=True)
        ]
        return replace(plan, stages=tuple(stages))

    def begin(self, plan: Plan, streams: SampleStreams, like: Tensor) -> State:
        """The sampler's own state, and two parts of the log weights, each (batch particles, ...).

        The log weight is the first part + scale times the second, which is the newest reward. So
        a reward of -infinity leaves no trace in the later weights, but for its resampling.
        """
        particles = like.unsqueeze(1).expand(-1, self.num_particles, *like.shape[1:])
        inner = [part.flatten(0, 1) for part in self.sampler.begin(plan, streams, particles)]
        zeros = like.new_zeros(len(inner[0]))
        return (*inner, zeros, zeros)

    def draw(self, stage: ParticleStage, streams: SampleStreams, like: Tensor) -> Any:
        """The sampler's noise, and a number in [0, 1) for each sample to resample with, or None."""
        noise = self.sampler.draw(stage, streams, self._by_sample(like))
        is_idle = self.ess_threshold == 0 or self.num_particles == 1
        uniform = None if is_idle else streams.uniform((1,), device=like.device, dtype=like.dtype)
        return None if noise is None else noise.flatten(0, 1), uniform

    def step(self, stage: ParticleStage, state: State, estimate: Estimate, noise: Any) -> State:
        *inner, others, _ = state
        fresh, uniform = noise
        base = estimate.mean if estimate.untwisted is None else estimate.untwisted
        if stage.next_t == 0:  # what the sampler leaves is x0: weigh that, and leave it to `finish`
            inner = self.sampler.step(stage, tuple(inner), Estimate(base), fresh)
            rewards, others = self._weigh(inner[0], others)
            self._resample(stage, others, rewards, None)
            return (*inner, others, rewards)
        rewards, others = self._weigh(base, others)
        others, parents = self._resample(stage, others, rewards, uniform)
        steered = estimate.mean
        if parents is not None:
            *inner, base, steered, rewards = (
                part[parents] for part in (*inner, base, steered, rewards)
            )
        if estimate.untwisted is not None and fresh is not None:
            moved = torch.add(fresh, steered - base, alpha=stage.pull)
            others = others + (fresh.square() - moved.square()).flatten(1).sum(1) / 2
            fresh = moved
        return (*self.sampler.step(stage, tuple(inner), Estimate(base), fresh), others, rewards)

    def finish(self, state: State, streams: SampleStreams) -> Tensor:
        x, others, rewards = (self._by_sample(part) for part in (state[0], *state[-2:]))
        log_weights = others + self.scale * rewards
        x = self._refuse_lost(x, ~log_weights.amax(1).isfinite())
        if self.choose == "best":
            chosen = (-rewards if self.scale < 0 else rewards).argmax(1)
        elif self.num_particles == 1:
            return x[:, 0]
        else:
            uniform = streams.uniform((1,), device=x.device, dtype=x.dtype)
            chosen = pick(log_weights, uniform)[:, 0]
        return x[torch.arange(len(x), device=x.device), chosen]

    def _by_sample(self, rows: Tensor) -> Tensor:
        """(batch particles, ...) as (batch, particles, ...)."""
        return rows.unflatten(0, (-1, self.num_particles))

    def _weigh(self, x0: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """The rewards of x0, and the rest of the log weights: NaN for good where a reward is."""
        rewards = rewards_of(self.fn, x0, self.condition).to(others)
        return rewards, others.masked_fill(rewards.isnan(), math.nan)

    def _resample(
        self, stage: Stage, others: Tensor, rewards: Tensor, uniform: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The first part of the log weights, and the row of which each row is a copy, if any is."""
        log_weights = self._by_sample(others + self.scale * rewards)
        effective = effective_number(log_weights)
        is_poor = effective < self.ess_threshold * self.num_particles
        if uniform is None:
            is_poor = torch.zeros_like(is_poor)
        if self.report is not None:
            self.report(stage.t, effective.nan_to_num(0.0), is_poor)
        if uniform is None:
            return others, None
        is_poor = is_poor.unsqueeze(1)
        rows = self._by_sample(torch.arange(len(others), device=others.device))
        parents = torch.where(is_poor, rows.gather(1, resample(log_weights, uniform)), rows)
        parents = parents.flatten()
        evened = self._by_sample(-self.scale * rewards[parents])
        return torch.where(is_poor, evened, self._by_sample(others)).flatten(), parents

    def _refuse_lost(self, x: Tensor, is_lost: Tensor) -> Tensor:
        """The particles, if the weights of none of their samples are lost by the reward.

        NaN where they are lost because the model, or its guidance, gave no finite particles.
        """
        num_lost = int((is_lost & x.flatten(1).isfinite().all(1)).sum())
        if num_lost:
            raise SamplingError(
                f"{num_lost} of {len(x)} samples have no weights: the reward is NaN or infinite "
                f"for one of their particles, or -infinity, which forbids a sample, for all."
            )
        return x.masked_fill(is_lost.view(-1, *[1] * (x.ndim - 1)), math.nan)
