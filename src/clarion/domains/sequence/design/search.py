"""The search: what to ask of the model, and which of its answers to keep.

A model of sequences and their target is asked for targets beyond those that are known, more or less
sharply (guidance), and then steered as well, more or less strongly, by the slope of what predictors
say. How far it can be followed is nowhere in the data. So each setting is tried on a few designs,
an ensemble of predictors, which never saw the model, says of each the value that it most likely
exceeds, and the setting whose designs are best by that is taken.

The stronger the steering, the more draws agree, as long as they are the model's: where they differ
again they have left it, and predictors err. Only strengths up to that point count.

Designs that are pushed further are more alike. Where a diversity is asked for, those that are kept
of a setting's draws are the best that keep it, so that settings are compared at equal diversity.

In the end designs are drawn with the setting that is taken, and the best of them again in part,
given the rest, for as long as that makes them better.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.options import check_number, check_whole
from clarion.base.streams import mix_seed
from clarion.domains.sequence.design.judge import Judge
from clarion.domains.sequence.design.known import TARGET
from clarion.domains.sequence.design.pool import Kept, Pool
from clarion.domains.sequence.distance import diversity
from clarion.guide.contrast.cfg import CFG
from clarion.guide.rule import Guidance
from clarion.guide.tokens.reward import TokenReward
from clarion.run.model import Model

OnTrial = Callable[[int, int], None]
"""Called with (settings tried, settings in all)."""

MOST_ROUNDS = 20
"""Rounds of drawing, after which it is given up to find more designs that differ."""


@dataclass(frozen=True)
class SearchConfig:
    """What is tried, and how designs are kept.

    Args:
        num_designs: how many are wanted, all different and none of them known.
        beyond: targets that are asked for, in deviations of the known values above the best one.
        scales: guidance scales; 0 asks for no target.
        strengths: of the steering by predictors: a design that is one deviation better becomes
            exp(strength) times as likely. The least is tried with all of these, and then with the
            best of them the others.
        num_trials: designs that each setting is judged by.
        candidates: sequences that are drawn for each one that is kept.
        diversity: mean distance of two designs that is wanted, in edits.
        level: of the intervals, in (0, 1).
        minimise: whether a small target is wanted.
        rounds: in which the best are drawn again in part, at most.
        part: of a design that is drawn again.
        num_steps: of the sampler; None takes one for each token, at most 64.
        seed: of everything that is drawn.
    """

    num_designs: int = 128
    beyond: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0)
    scales: tuple[float, ...] = (1.0, 2.0, 4.0)
    strengths: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0)
    num_trials: int = 64
    candidates: int = 4
    diversity: float = 0.0
    level: float = 0.9
    minimise: bool = False
    rounds: int = 4
    part: float = 0.3
    num_steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_designs", "num_trials", "candidates"):
            check_whole(name, getattr(self, name), 1)
        check_whole("rounds", self.rounds, 0)
        if self.num_steps is not None:
            check_whole("num_steps", self.num_steps, 1)
        if not (self.beyond and self.scales and self.strengths):
            raise ClarionError("beyond, scales and strengths must each name at least one value.")
        for beyond in self.beyond:
            check_number("beyond", beyond)
        for name in ("scales", "strengths"):
            for value in getattr(self, name):
                check_number(name, value, 0)
        check_number("diversity", self.diversity, 0)
        if not 0 < self.part < 1:
            raise ClarionError(f"part must lie between 0 and 1, got {self.part}.")
        if not 0 < self.level < 1:
            raise ClarionError(f"level must lie between 0 and 1, got {self.level}.")

    @property
    def sign(self) -> float:
        """1 where much is wanted, -1 where little is."""
        return -1.0 if self.minimise else 1.0


@dataclass(frozen=True)
class Setting:
    """What is asked of the model.

    Args:
        asked: the target that is asked for.
        scale: of guidance.
        strength: of the steering by predictors.
    """

    asked: float
    scale: float
    strength: float


@dataclass(frozen=True)
class Trial:
    """How a setting was judged.

    Args:
        setting: what was asked for.
        merit: median over the designs of the value that each most likely exceeds (falls below).
        diversity: mean distance of two of them.
        spread: mean distance of two new draws, before the best of them are kept.
        share_new: of the draws, those that are neither known nor drawn before.
    """

    setting: Setting
    merit: float
    diversity: float
    spread: float
    share_new: float


@dataclass(frozen=True, eq=False)
class Designs:
    """What was found, best first.

    Args:
        tokens: (n, length) int64.
        texts: the sequences.
        predicted: mean of the ensemble, (n,).
        low: lower end of the interval, (n,).
        high: upper end, (n,).
        said: what one's own predictor says, (n,); None without it.
        setting: what was asked for.
        trials: all settings that were tried.
    """

    tokens: Tensor
    texts: tuple[str, ...]
    predicted: Tensor
    low: Tensor
    high: Tensor
    said: Tensor | None
    setting: Setting
    trials: tuple[Trial, ...]


class Search:
    """Draws from a model and judges what comes.

    Args:
        model: of sequences, conditioned on `TARGET`.
        judge: of what they promise; it knows what the model learnt from.
        config: what is tried.
    """

    def __init__(self, model: Model, judge: Judge, config: SearchConfig) -> None:
        self.model, self.judge, self.config = model, judge, config

    def run(self, on_trial: OnTrial | None = None) -> Designs:
        """Try all settings, take the best, and draw from it.

        Raises:
            ClarionError: if no setting gives sequences that are new.
        """
        config, sign, values = self.config, self.config.sign, self.judge.known.values
        first, *others = sorted(config.strengths)
        count = len(config.beyond) * len(config.scales) + len(others)
        trials: list[Trial] = []

        def attempt(setting: Setting) -> None:
            trials.append(self._try(setting))
            if on_trial is not None:
                on_trial(len(trials), count)

        for beyond in config.beyond:
            asked = float((sign * values).max() + beyond * values.std()) * sign
            for scale in config.scales:
                attempt(Setting(asked, scale, first))
        plain, num_plain = self._best(trials), len(trials)
        for strength in others:
            attempt(replace(plain.setting, strength=strength))
        best = self._best(_of_the_model([plain, *trials[num_plain:]]))
        kept = self.draw(best.setting, config.num_designs)
        low, high = self.judge.interval(kept.tokens)
        own = self.judge.predictor
        return Designs(
            tokens=kept.tokens,
            texts=kept.texts,
            predicted=self.judge.predicted(kept.tokens),
            low=low,
            high=high,
            said=None if own is None else own.of_tokens(kept.tokens),
            setting=best.setting,
            trials=tuple(trials),
        )

    def draw(self, setting: Setting, count: int) -> Kept:
        """The best new sequences that a setting gives, and that keep the diversity, best first.

        They are the best of `candidates` times as many, and then of those and what comes of drawing
        them again in part, as often as that makes them better.
        """
        wanted = count * self.config.candidates
        pool, num_drawn = Pool(self.judge), 0
        while len(pool) < wanted and num_drawn < MOST_ROUNDS * wanted:
            pool.add(self._sample(setting, range(num_drawn, num_drawn + wanted)))
            num_drawn += wanted
        kept = pool.best(count, self.config.diversity)
        for _ in range(self.config.rounds):
            numbers = range(num_drawn, num_drawn + wanted)
            start = kept.tokens[torch.arange(wanted) % len(kept.tokens)]
            pool.add(self._sample(setting, numbers, start))
            num_drawn += wanted
            better = pool.best(count, self.config.diversity)
            if self.config.sign * (better.merit - kept.merit) <= 0:
                break
            kept = better
        return kept

    def _try(self, setting: Setting) -> Trial:
        pool, count = Pool(self.judge), self.config.num_trials
        num_drawn = count * self.config.candidates
        pool.add(self._sample(setting, range(num_drawn)))
        if not len(pool):
            return Trial(setting, -self.config.sign * math.inf, 0.0, 0.0, 0.0)
        kept, share = pool.best(count, self.config.diversity), len(pool) / num_drawn
        spread = diversity(pool.texts)
        return Trial(setting, kept.merit, diversity(kept.texts), spread, share)

    def _best(self, trials: Sequence[Trial]) -> Trial:
        """The best of those that keep the diversity; the most diverse where none does.

        Of equals the first.
        """
        fresh = [trial for trial in trials if trial.share_new]
        if not fresh:
            raise ClarionError(
                "The model draws known sequences alone: train it shorter, or on more of them."
            )
        kept = [trial for trial in fresh if trial.diversity >= self.config.diversity]
        if not kept:
            return max(fresh, key=lambda trial: trial.diversity)
        return max(kept, key=lambda trial: self.config.sign * trial.merit)

    def _sample(self, setting: Setting, indices: range, start: Tensor | None = None) -> Tensor:
        steps = self.config.num_steps or min(64, *self.model.config.shape)
        rules: list[Guidance] = [CFG(setting.scale)]
        if setting.strength:
            rules.append(TokenReward(self.judge.promise, setting.strength))
        return self.model.sample(
            indices=indices,
            condition={TARGET: setting.asked},
            guidance=rules,
            num_steps=steps,
            start=start,
            start_time=self.config.part,
            seed=mix_seed(self.config.seed, "designs") % 2**31,
            batch_size=256,
        )


def _of_the_model(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Of rising strengths those up to the one whose draws differ least."""
    least = min(range(len(trials)), key=lambda i: trials[i].spread)
    return trials[: least + 1]
