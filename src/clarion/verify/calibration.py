"""Whether posterior samples are spread as the posterior is, by the rank of the truth among them.

Draw x0 from the prior and y given x0. If a method draws from p(x0 | y), x0 is one more draw like
its own: in any direction its rank among `num_samples` of them is uniform on 0, ..., num_samples
(Talts et al. 2018, arXiv 1804.06788, theorem 1). Ranks are taken along the principal axes of the
exact posterior, so that a direction which the measurement pins down counts as much as one that it
leaves open. From them follow

- coverage: how often x0 lies in the central 50 % and 90 % set, the ranks from a quarter (a
  twentieth) of num_samples + 1 up to as much below its end;
- the histogram of ranks, in 10 bins: a bowl for samples too narrow, a hill for those too wide,
  a slope for those biased.

Along the axes a normal distribution with the mean and the covariance of the posterior passes for
it, however many modes the posterior has. So the rank of log p(x0 | y) among those of the samples is
taken, too: between the modes, where such samples lie, the density is low.

Ranks cannot tell a method that ignores y, for the prior is calibrated too. So the mean and the
variance of the samples are held against those of the posterior.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.options import check_whole
from clarion.verify.finding import Finding
from clarion.verify.inverse import InverseProblem
from clarion.verify.scores import DEVIATIONS_ALLOWED
from clarion.verify.targets import Target

LEVELS = (0.5, 0.9)
NUM_BINS = 10
NUM_EXACT_SETS = 100
DIVISOR = 20
"""What num_samples + 1 must be divisible by, for sets of ranks to hold exactly 50 % and 90 %."""

COVERAGE = {level: f"coverage of the {100 * level:.0f} % sets" for level in LEVELS}
HISTOGRAM, MEAN, VARIANCE = "histogram of ranks", "mean of the samples", "variance of the samples"
DENSITY = "histogram of the ranks of the density"
PERFECT = {COVERAGE[level]: level for level in LEVELS} | {
    HISTOGRAM: 0.0,
    DENSITY: 0.0,
    MEAN: 0.0,
    VARIANCE: 1.0,
}
"""Name of a score -> the value that infinitely many exact samples would have."""

UNITS = {VARIANCE: "times the posterior's"}


@dataclass(frozen=True, eq=False)
class Calibration:
    """Measurements for a method to draw posterior samples from, and what exact ones score.

    Args:
        problem: with its exact posterior.
        num_pairs: number of pairs (x0, y).
        num_samples: how many samples are drawn for each y; one more must be divisible by 20.
        seed: of the pairs.
    """

    problem: InverseProblem
    num_pairs: int
    num_samples: int
    seed: int = 0

    def __post_init__(self) -> None:
        check_whole("num_pairs", self.num_pairs, 1)
        check_whole("num_samples", self.num_samples, 1)
        if (self.num_samples + 1) % DIVISOR:
            raise ClarionError(
                f"num_samples must be 19, 39, 59, ... so that sets of ranks hold exactly 50 % and "
                f"90 %, got {self.num_samples}."
            )

    @property
    def y(self) -> Tensor:
        """The measurements, (num_pairs, dim_y)."""
        return self._pairs[1]

    def ranks(self, samples: Tensor) -> Tensor:
        """Rank of the truth along each axis, (num_pairs, dim), for what `judge` takes."""
        x0 = self._whiten(self._pairs[0].unsqueeze(1))[:, 0]
        return _ranks(x0, self._whiten(samples))

    def shares(self, samples: Tensor) -> list[float]:
        """How many of the ranks lie in each of 10 bins, for what `judge` takes."""
        return _histogram(self.ranks(samples), self.num_samples).tolist()

    def judge(self, subject: str, samples: Tensor) -> list[Finding]:
        """Hold the samples of a method against the posterior.

        Args:
            subject: whose samples they are.
            samples: drawn for each y in turn, (num_pairs, num_samples, dim) float64.
        """
        truth = self._log_density(self._pairs[0].unsqueeze(1))[:, 0]
        density = _ranks(truth, self._log_density(samples))
        scores = _scores(self.ranks(samples), density, self._whiten(samples))
        return [
            self._finding(subject, what, float(value), PERFECT[what], self._exact_scores[what])
            for what, value in scores.items()
        ]

    def _finding(
        self, subject: str, what: str, value: float, perfect: float, exact: Tensor
    ) -> Finding:
        """The window reaches as far as exact samples do: their mean distance, and 5 deviations."""
        distances = (exact - perfect).abs()
        floor = float(distances.mean())
        allowed = floor + DEVIATIONS_ALLOWED * float(distances.std())
        times_floor = abs(value - perfect) / floor
        if not perfect:
            return Finding(
                subject,
                what,
                times_floor,
                high=allowed / floor,
                setting=self.problem.name,
                unit="times the noise floor",
            )
        most = 1.0 if what in COVERAGE.values() else math.inf
        unit = f"{UNITS.get(what, '')} ({times_floor:.1f} times the noise floor off)".strip()
        return Finding(
            subject,
            what,
            value,
            perfect - allowed,
            min(perfect + allowed, most),
            self.problem.name,
            unit,
        )

    @cached_property
    def _pairs(self) -> tuple[Tensor, Tensor]:
        generator = torch.Generator().manual_seed(self.seed)
        return self.problem.draw(self.num_pairs, generator)

    @cached_property
    def _posteriors(self) -> list[Target]:
        return [self.problem.posterior(y) for y in self.y]

    @cached_property
    def _axes(self) -> tuple[Tensor, Tensor]:
        """Mean of each posterior (num_pairs, dim), and its principal axes, each divided by the
        deviation along it (num_pairs, dim, dim)."""
        moments = [posterior.moments() for posterior in self._posteriors]
        variances, directions = torch.linalg.eigh(torch.stack([moment[1] for moment in moments]))
        return torch.stack([moment[0] for moment in moments]), directions / variances.sqrt()[
            :, None
        ]

    def whiten(self, number: int, x: Tensor) -> Tensor:
        """x (n, dim) in deviations of the posterior of y[number], along its principal axes."""
        mean, axes = self._axes
        return (x - mean[number]) @ axes[number]

    def _whiten(self, x: Tensor) -> Tensor:
        """x (..., num_pairs, n, dim) in deviations of its posterior, along its principal axes."""
        mean, axes = self._axes
        return (x - mean.unsqueeze(1)) @ axes

    @cached_property
    def _exact_scores(self) -> dict[str, Tensor]:
        """The scores of exact samples, with a truth that is drawn anew, each (NUM_EXACT_SETS,)."""
        generator = torch.Generator().manual_seed(self.seed + 1)
        n = self.num_samples + 1
        draws = torch.stack(
            [posterior.draw(NUM_EXACT_SETS * n, generator) for posterior in self._posteriors]
        )
        sets = draws.unflatten(1, (NUM_EXACT_SETS, n)).transpose(0, 1)
        z, density = self._whiten(sets), self._log_density(sets)
        ranks = _ranks(z[:, :, 0], z[:, :, 1:])
        return _scores(ranks, _ranks(density[:, :, 0], density[:, :, 1:]), z[:, :, 1:])

    def _log_density(self, x: Tensor) -> Tensor:
        """log p(x | y) of x (..., num_pairs, n, dim), an axis of one value each at the end."""
        by_pair = [
            posterior.log_density(x.select(-3, number).flatten(0, -2)).reshape(
                x.shape[:-3] + x.shape[-2:-1]
            )
            for number, posterior in enumerate(self._posteriors)
        ]
        return torch.stack(by_pair, dim=-2).unsqueeze(-1)


def _ranks(truth: Tensor, z: Tensor) -> Tensor:
    """How many of z (..., pairs, n, dim) lie below truth (..., pairs, dim): (..., pairs, dim)."""
    return (z < truth.unsqueeze(-2)).sum(-2)


def _histogram(ranks: Tensor, num_samples: int) -> Tensor:
    """Shares of the ranks (..., pairs, dim) in each bin, (..., NUM_BINS)."""
    bins = ranks.flatten(-2) * NUM_BINS // (num_samples + 1)
    return torch.nn.functional.one_hot(bins, NUM_BINS).double().mean(-2)


def _scores(ranks: Tensor, density: Tensor, z: Tensor) -> dict[str, Tensor]:
    """Name -> score (...).

    Args:
        ranks: along the axes, (..., pairs, dim).
        density: ranks of the density, (..., pairs, 1).
        z: whitened samples, (..., pairs, n, dim).
    """
    n = z.shape[-2]
    inside = {}
    for level in LEVELS:
        cut = round((1 - level) / 2 * (n + 1))
        is_inside = (ranks >= cut) & (ranks <= n - cut)
        inside[COVERAGE[level]] = is_inside.double().mean((-2, -1))
    # The root of chi-square, but for a factor that cancels against the noise floor.
    uneven, uneven_density = (
        (_histogram(r, n) - 1 / NUM_BINS).norm(dim=-1) for r in (ranks, density)
    )
    off = (z.mean(-2) ** 2).mean((-2, -1)).sqrt()
    return inside | {
        HISTOGRAM: uneven,
        DENSITY: uneven_density,
        MEAN: off,
        VARIANCE: z.var(-2).mean((-2, -1)),
    }
