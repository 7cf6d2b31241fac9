"""Particles: samples of a tilted density, by a reward that needs no gradient.

Each sample is the survivor of P particles, which another sampler moves. At evaluation k, with v_k
what is foretold of the reward and v_0 = 0, a particle's weight takes the factor

    exp(scale (v_k - v_{k-1})),        the last with r(x0) itself in place of v_k.

The factors telescope to exp(scale r(x0)), so that with many particles the samples have the density
q(x0) exp(scale r(x0)) up to its constant, q being that of the sampler alone; the bias is O(1 / P).
That holds whatever finite number v_k is, even if it is drawn by lot. Here it is one of

    r(D_k)                                        D_k the mean, or the likeliest tokens
    log(mean_j exp(scale r(x0_j))) / scale        x0_j tokens drawn from the estimate
    value(x_t)                                    a function of the noisy data

and v_{k-1} again where an estimate makes it -infinity: only x0 itself can be forbidden.
Where the effective number of particles falls too low, they are resampled.

Twisted (numbers alone): where a rule of guidance also steers the denoiser, from D to D', a
particle's fresh noise z is moved to z + d, and its weight takes the ratio of the transition
densities too,

    d = c / (s s') (D' - D),        N(z + d; 0, 1) / N(z; 0, 1) = exp((|z|² - |z + d|²) / 2),

for a step from noise level s to s' with noise of deviation c on x_t / alpha. The law is the same
whatever d; the particles are where they are needed. Steps without noise follow D.

Why this d: the best proposal of all moves z by c grad log psi(y'), with psi the expectation of
exp(scale r(x0)) given y'. The steering adds g = (D' - D) / s² to the score, which is the gradient
of scale r(D) at the level s. For Gaussian data of variance V and a linear r it is
(s² + V) / (s'² + V) times as large at s': between 1 (V large) and s² / s'² (V small), and s / s' is
half way. Following D' itself, which is d at V small, falls behind at few steps (see the tests).

Sources: Singhal et al. 2025, arXiv 2501.06848 (the "difference" potential, and tokens drawn from
the estimate); Wu et al. 2023, arXiv 2306.17775, algorithm 1 (twisted), whose proposals follow D'
itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Self, TypeAlias, get_args

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError, SamplingError
from clarion.base.options import check_choice, check_number, check_whole
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.guide.gradient.reward_function import RewardFunction, bind_reward, rewards_of
from clarion.guide.rule import SampleSpace, rules_round
from clarion.process.gaussian import GaussianProcess
from clarion.process.process import Process
from clarion.process.tables import of_kind
from clarion.process.tokens import TokenProcess
from clarion.sample.ancestral import DDPMSampler
from clarion.sample.plan import Stage
from clarion.sample.resampling import effective_number, pick, resample
from clarion.sample.sampler import Sampler, State
from clarion.sample.tokens.ancestral import AncestralTokens

Choose: TypeAlias = Literal["draw", "best"]

Report: TypeAlias = Callable[[float, Tensor, Tensor], None]
"""Called at each evaluation with its time, the effective number of particles of each sample, in
[1, num_particles] or 0 where none has a weight yet, (batch,), and whether they were then
resampled, (batch,) bool."""

MOVERS: Mapping[type[Process], Sampler] = {
    GaussianProcess: DDPMSampler(),
    TokenProcess: AncestralTokens(),
}
"""Kind of process -> what moves particles if nothing else is said: they draw noise at each step."""

ValueFunction: TypeAlias = Callable[[Tensor, float, Condition | None], Tensor]
"""Noisy data (batch, *shape) in model units, their time, their condition -> what is foretold of the
reward, one number a sample, (batch,)."""


@dataclass(frozen=True, slots=True, eq=False)
class ParticleStage:
    """A stage of the sampler that moves the particles.

    Args:
        inner: that stage.
        pull: d / (D' - D), as above; 0 where the stage draws no normal numbers.
    """

    inner: Any
    pull: float

    @property
    def t(self) -> float:
        """Time at which the denoiser is asked."""
        return self.inner.t

    @property
    def next_t(self) -> float:
        """Time of what the stage leaves; 0 for the data."""
        return self.inner.next_t


@dataclass(frozen=True)
class ParticleSampler(Sampler):
    """Weighs and resamples the particles of another sampler by a reward.

    A rule that twists, such as `Reward`, must be the outermost. It changes no law, whatever its
    reward and its scale, only how many particles are needed. A smooth reward steers best at its own
    scale, a sharp one, such as the log-likelihood of a precise measurement, at a part of it: see
    that the effective number rises. With choose="best" and ess_threshold=0 it is best-of-n.

    Resampling helps where v_k foretells r(x0). Where it does not, as for log p(class | x0) halfway
    between two modes, it kills the wrong particles, and the bias falls slowly with P: 0 for
    ess_threshold is then better.

    Args:
        fn: the reward r, of x0 in data units and the condition; no sample's may depend on another.
            It needs no gradient; -infinity forbids a sample (with num_guesses it is steered round).
        scale: factor of the reward in the exponent.
        num_particles: P, for each sample; the network is asked about each of them.
        sampler: moves the particles; it must draw noise if they are resampled, since copies would
            stay alike. None takes the one in `MOVERS`.
        ess_threshold: resample where the effective number of particles falls below this share of
            them, in [0, 1]; 0: never.
        choose: "draw" a particle in the end by its weight, or keep the "best" by its reward.
        num_guesses: how many x0_j are drawn from the estimate of tokens; 0 asks about the likeliest
            token of each position, as of numbers about their mean.
        value: foretells the reward, in place of asking about the estimate.
        report: see `Report`.
        condition: what is asked for, set by `given`.
    """

    otherwise: ClassVar[str] = ", or ess_threshold=0"
    """What else helps where particles must not be resampled, for messages."""

    fn: RewardFunction = field(repr=False, metadata={"form": "FILE.py#FUNCTION"})
    scale: float
    num_particles: int = field()  # not the 1 of other samplers
    sampler: Sampler | None = field(default=None, kw_only=True)
    ess_threshold: float = field(default=0.5, kw_only=True)
    choose: Choose = field(default="draw", kw_only=True)
    num_guesses: int = field(default=0, kw_only=True)
    value: ValueFunction | None = field(
        default=None, kw_only=True, repr=False, metadata={"typed": False}
    )
    report: Report | None = field(default=None, kw_only=True, repr=False, metadata={"typed": False})
    condition: Condition | None = field(
        default=None, kw_only=True, repr=False, compare=False, metadata={"typed": False}
    )

    def __post_init__(self) -> None:
        check_number("scale", self.scale)
        check_whole("num_particles", self.num_particles, 1)
        check_number("ess_threshold", self.ess_threshold, 0, 1)
        check_choice("choose", self.choose, get_args(Choose))
        check_whole("num_guesses", self.num_guesses, 0)
        if isinstance(self.sampler, ParticleSampler) or not isinstance(
            self.sampler, Sampler | None
        ):
            raise ClarionError(
                f"Particles are moved by a sampler such as DDPMSampler(), got {self.sampler!r}."
            )
        if self.ess_threshold and self.sampler is not None and not self.sampler.is_stochastic:
            raise ClarionError(
                f"{self.sampler} draws no noise, so that resampled particles would stay alike: "
                f"take one that does, such as DDPMSampler(){self.otherwise}."
            )

    @property
    def order(self) -> int:
        return 1 if self.sampler is None else self.sampler.order  # 1 is that of all `MOVERS`

    @property
    def can_diverge(self) -> bool:
        return self._mover.can_diverge

    @property
    def is_stochastic(self) -> bool:
        is_drawn = self.choose == "draw" and self.num_particles > 1
        return is_drawn or self.sampler is None or self.sampler.is_stochastic

    @property
    def _mover(self) -> Sampler:
        assert self.sampler is not None, "`following` chooses one"
        return self.sampler

    def bind(self, space: SampleSpace) -> Self:
        fn = bind_reward(self.fn, self.scale, space)
        sampler = None if self.sampler is None else self.sampler.bind(space)
        return replace(self, fn=fn, sampler=sampler)

    def given(self, condition: Condition | None) -> Self:
        return replace(self, condition=condition)

    def following(self, denoiser: Denoiser) -> Self:
        self._check_rules(denoiser)
        sampler = of_kind(denoiser.process, MOVERS) if self.sampler is None else self.sampler
        return replace(self, sampler=sampler.following(denoiser))

    def _check_rules(self, denoiser: Denoiser) -> None:
        outermost, *others = rules = [*rules_round(denoiser), None]
        remembering = next((rule for rule in rules if rule is not None and rule.remembers), None)
        if self.ess_threshold and remembering is not None:
            raise ClarionError(
                f"The rule {type(remembering).__name__} remembers each row from step to step, and "
                f"resampled particles change their rows: take another rule{self.otherwise}."
            )
        hidden = next((rule for rule in others if rule is not None and rule.twists), None)
        if hidden is not None:
            outside = "a wrapper" if outermost is None else type(outermost).__name__
            raise ClarionError(
                f"The sampler particles takes the steering of the rule {type(hidden).__name__} "
                f"out of its weights, which {outside} round it would hide. Make it the last rule, "
                f"or leave it out: particles need no gradient."
            )

    def plan(self, process: Process, times: Tensor, dtype: torch.dtype = torch.float64) -> Any:
        plan = self._mover.plan(process, times, dtype)
        if isinstance(process, GaussianProcess):
            if self.num_guesses:
                raise ClarionError(
                    f"num_guesses must be 0 for {process}, got {self.num_guesses}: of an estimate "
                    f"of numbers only the mean is known."
                )
            pulls = self._pulls(process, plan.stages)
        else:
            pulls = [0.0] * len(plan.stages)
        stages = tuple(map(ParticleStage, plan.stages, pulls))
        return replace(plan, stages=stages)

    @staticmethod
    def _pulls(process: GaussianProcess, stages: Sequence[Stage]) -> list[float]:
        """c / (s s'), with c = noise / alpha', s' = sigma' / alpha', of each stage."""
        moments = [(s.t, s.next_t if s.noise else s.t) for s in stages]
        t, next_t = torch.tensor(moments, dtype=torch.float64).unbind(1)
        by_noise = 1 / (process.noise_level(t) * process.sigma(next_t))
        return [s.noise * factor for s, factor in zip(stages, by_noise.tolist(), strict=True)]

    def begin(self, plan: Any, streams: SampleStreams, like: Tensor) -> State:
        """The sampler's own state, and two parts of the log weights, each (batch particles, ...).

        The log weight is the first part + scale times the second, which is what was last foretold
        of the reward. So a value of -infinity leaves no trace in the later weights, but for its
        resampling.
        """
        particles = like.unsqueeze(1).expand(-1, self.num_particles, *like.shape[1:])
        inner = [part.flatten(0, 1) for part in self._mover.begin(plan, streams, particles)]
        zeros = torch.zeros(len(inner[0]), dtype=torch.float64, device=like.device)
        return (*inner, zeros, zeros)

    def draw(self, stage: ParticleStage, streams: SampleStreams, like: Tensor) -> Any:
        """The sampler's noise, and numbers in [0, 1): to draw guesses by, and to resample with.

        The guesses' are (num_guesses, batch particles, length), the other ones one a sample; None
        for what is not needed.
        """
        particles = self._by_sample(like)
        noise = self._mover.draw(stage.inner, streams, particles)
        noise = None if noise is None else noise.flatten(0, 1)
        if self.ess_threshold == 0 or self.num_particles == 1:
            return noise, None, None
        guesses = None
        if self.num_guesses and self.value is None and stage.next_t > 0:
            shape = (self.num_guesses, *particles.shape[1:])
            guesses = streams.fine_uniform(shape, device=like.device).transpose(0, 1).flatten(1, 2)
        return noise, guesses, streams.uniform((1,), device=like.device, dtype=torch.float64)

    def step(self, stage: ParticleStage, state: State, estimate: Estimate, noise: Any) -> State:
        *inner, others, before = state
        fresh, guesses, uniform = noise
        own = estimate if estimate.untwisted is None else Estimate(estimate.untwisted)
        if stage.next_t == 0:  # what the sampler leaves is x0: weigh that, and leave it to `finish`
            inner = self._mover.step(stage.inner, tuple(inner), own, fresh)
            rewards, others = self._weigh(self._rewards(inner[0]), others)
            self._resample(stage, others, rewards, None)
            return (*inner, others, rewards)
        foretold = self._foretold(stage, inner[0], own, guesses)
        rewards, others = self._weigh(foretold, others)
        if self.value is None:
            rewards = torch.where(self._is_hopeless(rewards), before, rewards)
        others, parents = self._resample(stage, others, rewards, uniform)
        if parents is not None:
            own, estimate = own.rows(parents), estimate.rows(parents)
            *inner, rewards = (part[parents] for part in (*inner, rewards))
        if estimate.untwisted is not None and fresh is not None:
            moved = torch.add(fresh, estimate.mean - own.mean, alpha=stage.pull)
            others = others + (fresh.square() - moved.square()).flatten(1).sum(1) / 2
            fresh = moved
        return (*self._mover.step(stage.inner, tuple(inner), own, fresh), others, rewards)

    def is_finite(self, state: State) -> Tensor:
        return self._by_sample(self._mover.is_finite(state[:-2])).all(1)

    def finish(self, state: State, streams: SampleStreams) -> Tensor:
        x, others, rewards = (self._by_sample(part) for part in (state[0], *state[-2:]))
        log_weights = others + self.scale * rewards
        self._refuse_lost(self.is_finite(state) & ~log_weights.amax(1).isfinite())
        if self.choose == "best":
            chosen = (-rewards if self.scale < 0 else rewards).argmax(1)
        elif self.num_particles == 1:
            return x[:, 0]
        else:
            uniform = streams.uniform((1,), device=x.device, dtype=torch.float64)
            chosen = pick(log_weights, uniform)[:, 0]
        return x[torch.arange(len(x), device=x.device), chosen]

    def _by_sample(self, rows: Tensor) -> Tensor:
        """(batch particles, ...) as (batch, particles, ...)."""
        return rows.unflatten(0, (-1, self.num_particles))

    def _rewards(self, x0: Tensor) -> Tensor:
        return rewards_of(self.fn, x0, self.condition)

    def _foretold(
        self, stage: ParticleStage, x_t: Tensor, estimate: Estimate, guesses: Tensor | None
    ) -> Tensor:
        """What is foretold of the reward, (batch particles,)."""
        if self.value is not None:
            return self.value(x_t, stage.t, self.condition)
        asked = estimate.guesses(guesses)
        rewards = torch.stack([self._rewards(x0) for x0 in asked])
        if len(asked) == 1:
            return rewards[0]
        if self.scale == 0:
            return rewards.mean(0)
        return ((self.scale * rewards).logsumexp(0) - math.log(len(asked))) / self.scale

    def _is_hopeless(self, rewards: Tensor) -> Tensor:
        """Whether what is foretold by an estimate does not count, (batch particles,)."""
        return self.scale * rewards == -math.inf

    @staticmethod
    def _weigh(rewards: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
        """The rewards, and the rest of the log weights: NaN for good where a reward is."""
        rewards = rewards.to(others)
        return rewards, others.masked_fill(rewards.isnan(), math.nan)

    def _resample(
        self, stage: ParticleStage, others: Tensor, rewards: Tensor, uniform: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        """The first part of the log weights, and the row of which each row is a copy, if any is."""
        log_weights = self._by_sample(others + self.scale * rewards)
        effective = effective_number(log_weights)
        is_poor = torch.zeros_like(effective, dtype=torch.bool)
        if uniform is not None:
            is_poor = self._is_poor(effective)
        if self.report is not None:
            self.report(stage.t, effective.nan_to_num(0.0), is_poor)
        if uniform is None:
            return others, None
        is_poor = is_poor.unsqueeze(1)
        rows = self._by_sample(torch.arange(len(others), device=others.device))
        parents = torch.where(is_poor, rows.gather(1, self._copied(log_weights, uniform)), rows)
        parents = parents.flatten()
        evened = self._by_sample(-self.scale * rewards[parents])
        return torch.where(is_poor, evened, self._by_sample(others)).flatten(), parents

    def _is_poor(self, effective: Tensor) -> Tensor:
        """Whether a sample's particles are resampled, (batch,); never where none has a weight."""
        return effective < self.ess_threshold * self.num_particles

    def _copied(self, log_weights: Tensor, uniform: Tensor) -> Tensor:
        """Of which of its particles each of a sample's is then a copy, (batch, particles)."""
        return resample(log_weights, uniform)

    @staticmethod
    def _refuse_lost(is_lost: Tensor) -> None:
        """Refuse samples whose particles are finite, and have lost their weights by the reward."""
        if is_lost.any():
            raise SamplingError(
                f"{int(is_lost.sum())} of {len(is_lost)} samples have no weights: the reward is "
                f"NaN or infinite for one of their particles, or -infinity, which forbids a "
                f"sample, for all."
            )
