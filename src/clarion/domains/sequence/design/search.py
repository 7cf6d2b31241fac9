"""The search: what to ask of the model, and which of its answers to keep.

A model of sequences and their target is asked for targets beyond those that are known, more or less
sharply (guidance), and then steered as well, more or less strongly, by the slope of what predictors
say. How far it can be followed is nowhere in the data. So each setting is tried on a few designs,
an ensemble of predictors, which never saw the model, says of each the value that it most likely
exceeds, and the setting whose designs are best by that is taken.

Designs that are pushed further are more alike. Where a diversity is asked for, those that are kept
of a setting's draws are the best that keep it, so that settings are compared at equal diversity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.streams import mix_seed
from clarion.domains.sequence.design.judge import Judge
from clarion.domains.sequence.design.known import TARGET
from clarion.domains.sequence.design.selection import best_apart
from clarion.domains.sequence.distance import diversity
from clarion.guide.contrast.cfg import CFG
from clarion.guide.rule import Guidance
from clarion.guide.tokens.reward import TokenReward
from clarion.run.model import Model

OnTrial = Callable[[int, int], None]
"""Called with (settings tried, settings in all)."""

MOST_ROUNDS = 20
"""Rounds of drawing, after which it is given up to find more designs that differ."""

PATIENCE = 2
"""Strengths in a row that may reach less than the best one, before no stronger ones are tried."""


@dataclass(frozen=True)
class SearchConfig:
    """What is tried, and how designs are kept.

    Args:
        num_designs: how many are wanted, all different and none of them known.
        beyond: targets that are asked for, in deviations of the known values above the best one.
        scales: guidance scales; 0 asks for no target.
        strengths: of the steering by predictors: a design that is one deviation better becomes
            exp(strength) times as likely. The least is tried with all of these, and then with the
            best of them the others, until more strength reaches less.
        num_trials: designs that each setting is judged by.
        candidates: sequences that are drawn for each one that is kept.
        diversity: mean distance of two designs that is wanted, in edits.
        level: of the intervals, in (0, 1).
        minimise: whether a small target is wanted.
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
    num_steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_designs", "num_trials", "candidates"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not (self.beyond and self.scales and self.strengths):
            raise ClarionError("beyond, scales and strengths must each name at least one value.")
        if not self.diversity >= 0:
            raise ClarionError(f"diversity must be 0 or more edits, got {self.diversity}.")
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
        share_new: of the draws, those that are neither known nor drawn before.
    """

    setting: Setting
    merit: float
    diversity: float
    share_new: float


@dataclass(frozen=True, eq=False)
class Draw:
    """The best of what a setting gives, best first.

    Args:
        tokens: (n, length) int64.
        texts: the sequences.
        sure: the value that each most likely exceeds (falls below), (n,).
        share_new: see `Trial`.
    """

    tokens: Tensor
    texts: tuple[str, ...]
    sure: Tensor
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
        best, num_worse = self._best(trials), 0
        for strength in others:
            attempt(replace(best.setting, strength=strength))
            better = self._best([best, trials[-1]])
            num_worse = 0 if better is not best else num_worse + 1
            best = better
            if num_worse == PATIENCE:
                break  # pushed off the model: what is stronger differs the more, and is worth less
        drawn = self.draw(best.setting, config.num_designs)
        low, high = self.judge.interval(drawn.tokens)
        own = self.judge.predictor
        return Designs(
            tokens=drawn.tokens,
            texts=drawn.texts,
            predicted=self.judge.predicted(drawn.tokens),
            low=low,
            high=high,
            said=None if own is None else own.of_tokens(drawn.tokens),
            setting=best.setting,
            trials=tuple(trials),
        )

    def draw(self, setting: Setting, count: int, most_rounds: int = MOST_ROUNDS) -> Draw:
        """The best of the new sequences that a setting gives and that keep the diversity.

        Args:
            setting: what is asked for.
            count: how many are wanted, out of `candidates` times as many.
            most_rounds: of drawing so many, after which those that were found are enough.
        """
        wanted = count * self.config.candidates
        parts: list[Tensor] = []
        texts: dict[str, None] = {}
        num_drawn = 0
        while len(texts) < wanted and num_drawn < most_rounds * wanted:
            drawn = self._sample(setting, range(num_drawn, num_drawn + wanted))
            num_drawn += wanted
            parts.append(self._new(drawn, texts))
        tokens, found, share = torch.cat(parts), tuple(texts), len(texts) / num_drawn
        sure = self.judge.surely(tokens) if share else torch.empty(0, dtype=torch.float64)
        merits = self.config.sign * sure
        kept = best_apart(found, merits, count, self.config.diversity)
        return Draw(tokens[kept], tuple(found[i] for i in kept), sure[kept], share)

    def _try(self, setting: Setting) -> Trial:
        drawn = self.draw(setting, self.config.num_trials, most_rounds=1)
        if not drawn.texts:
            return Trial(setting, -self.config.sign * torch.inf, 0.0, 0.0)
        merit = float(drawn.sure.median())
        return Trial(setting, merit, diversity(drawn.texts), drawn.share_new)

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

    def _sample(self, setting: Setting, indices: range) -> Tensor:
        steps = self.config.num_steps or min(64, *self.model.config.shape)
        rules: list[Guidance] = [CFG(setting.scale)]
        if setting.strength:
            rules.append(TokenReward(self.judge.promise, setting.strength))
        return self.model.sample(
            indices=indices,
            condition={TARGET: setting.asked},
            guidance=rules,
            num_steps=steps,
            seed=mix_seed(self.config.seed, "designs") % 2**31,
            batch_size=256,
        )

    def _new(self, tokens: Tensor, seen: dict[str, None]) -> Tensor:
        """Those whose texts are neither known nor seen; they are seen then, in their order."""
        known, rows = self._known, []
        for row, text in enumerate(self.judge.known.texts_of(tokens)):
            if text and text not in known and text not in seen:
                seen[text] = None
                rows.append(row)
        return tokens[rows]

    @cached_property
    def _known(self) -> frozenset[str]:
        return frozenset(self.judge.known.texts)
