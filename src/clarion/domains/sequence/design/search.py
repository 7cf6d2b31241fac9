"""The search: what to ask of the model, and which of its answers to keep.

A model of sequences and their target is asked for targets beyond those that are known, more or less
sharply (guidance). How far it can be followed is nowhere in the data. So each setting draws some
designs, an ensemble of predictors, which never saw the model, says of each the value that it most
likely exceeds, and the setting whose designs are best by that is taken.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.streams import mix_seed
from clarion.domains.sequence.design.known import TARGET, Known
from clarion.run.model import Model
from clarion.train.ensemble import Ensemble

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
        scales: guidance scales.
        num_trials: designs that each setting draws to be judged by.
        candidates: designs that are drawn for each one that is kept.
        level: of the intervals, in (0, 1).
        minimise: whether a small target is wanted.
        num_steps: of the sampler; None takes one for each token, at most 64.
        seed: of everything that is drawn.
    """

    num_designs: int = 128
    beyond: tuple[float, ...] = (0.0, 1.0, 2.0, 4.0)
    scales: tuple[float, ...] = (1.0, 2.0, 4.0)
    num_trials: int = 64
    candidates: int = 4
    level: float = 0.9
    minimise: bool = False
    num_steps: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("num_designs", "num_trials", "candidates"):
            if getattr(self, name) < 1:
                raise ClarionError(f"{name} must be at least 1, got {getattr(self, name)}.")
        if not (self.beyond and self.scales):
            raise ClarionError("beyond and scales must each name at least one value.")
        if not 0 < self.level < 1:
            raise ClarionError(f"level must lie between 0 and 1, got {self.level}.")

    @property
    def sign(self) -> float:
        """1 where much is wanted, -1 where little is."""
        return -1.0 if self.minimise else 1.0


@dataclass(frozen=True)
class Trial:
    """One setting and how it was judged.

    Args:
        asked: the target that was asked for.
        scale: of guidance.
        merit: median over the designs of the value that each most likely exceeds (falls below).
        share_new: of the draws, those that are neither known nor drawn before.
    """

    asked: float
    scale: float
    merit: float
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
        asked: the target that was asked for.
        scale: of guidance.
        trials: all settings that were tried.
    """

    tokens: Tensor
    texts: tuple[str, ...]
    predicted: Tensor
    low: Tensor
    high: Tensor
    asked: float
    scale: float
    trials: tuple[Trial, ...]


class Search:
    """Draws from a model and judges by an ensemble.

    Args:
        model: of sequences, conditioned on `TARGET`.
        ensemble: of predictors of the target.
        known: what both learnt from.
        config: what is tried.
    """

    def __init__(
        self, model: Model, ensemble: Ensemble, known: Known, config: SearchConfig
    ) -> None:
        self.model, self.ensemble, self.known, self.config = model, ensemble, known, config

    def run(self, on_trial: OnTrial | None = None) -> Designs:
        """Try all settings, take the best, and draw from it.

        Raises:
            ClarionError: if no setting gives sequences that are new.
        """
        config, sign = self.config, self.config.sign
        values = sign * self.known.values
        targets = [sign * float(values.max() + k * values.std()) for k in config.beyond]
        settings = [(asked, scale) for asked in targets for scale in config.scales]
        trials = []
        for asked, scale in settings:
            trials.append(self._try(asked, scale))
            if on_trial is not None:
                on_trial(len(trials), len(settings))
        best = max(trials, key=lambda trial: sign * trial.merit if trial.share_new else -torch.inf)
        if not best.share_new:
            raise ClarionError(
                "The model draws known sequences alone: train it shorter, or on more of them."
            )
        tokens = self._draw(best.asked, best.scale, config.num_designs * config.candidates)
        ends = self._ends(tokens)
        order = (sign * ends[0 if sign > 0 else 1]).argsort(descending=True)[: config.num_designs]
        tokens, low, high = tokens[order], ends[0][order], ends[1][order]
        predicted = self.ensemble(tokens).double()
        texts = tuple(self.known.vocabulary.texts(tokens))
        return Designs(tokens, texts, predicted, low, high, best.asked, best.scale, tuple(trials))

    def _try(self, asked: float, scale: float) -> Trial:
        drawn = self._sample(asked, scale, range(self.config.num_trials))
        fresh = self._new(drawn, set())
        if not len(fresh):
            return Trial(asked, scale, -self.config.sign * torch.inf, 0.0)
        low, high = self._ends(fresh)
        surely = low if self.config.sign > 0 else high
        return Trial(asked, scale, float(surely.median()), len(fresh) / len(drawn))

    def _draw(self, asked: float, scale: float, count: int) -> Tensor:
        """As many different new sequences, or those that are found in `MOST_ROUNDS` rounds."""
        found: list[Tensor] = []
        texts: set[str] = set()
        for number in range(1, MOST_ROUNDS + 1):
            drawn = self._sample(asked, scale, range(number * count, (number + 1) * count))
            found.append(self._new(drawn, texts))
            if len(texts) >= count:
                break
        return torch.cat(found)[:count]

    def _sample(self, asked: float, scale: float, indices: range) -> Tensor:
        steps = self.config.num_steps or min(64, *self.model.config.shape)
        return self.model.sample(
            indices=indices,
            condition={TARGET: asked},
            guidance=f"cfg:{scale}",
            num_steps=steps,
            seed=mix_seed(self.config.seed, "designs") % 2**31,
            batch_size=256,
        )

    def _new(self, tokens: Tensor, seen: set[str]) -> Tensor:
        """Those whose texts are neither known nor seen; they are seen then."""
        known, rows = set(self.known.texts), []
        for row, text in enumerate(self.known.vocabulary.texts(tokens)):
            if text and text not in known and text not in seen:
                seen.add(text)
                rows.append(row)
        return tokens[rows]

    def _ends(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        parts = [self.ensemble.interval(part, self.config.level) for part in tokens.split(128)]
        low, high = (torch.cat(ends) for ends in zip(*parts, strict=True))
        return low, high
