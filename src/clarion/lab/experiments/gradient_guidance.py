"""Guidance by a reward's gradient: naive leaves the data's subspace, through the denoiser stays."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.exact import SubspaceDenoiser
from clarion.guide.gradient.reward import AddedTo, Gradient, Reward
from clarion.lab.axes import random_axes
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.fit import log_log_slope, worst_ratio
from clarion.process import EDM, GRIDS
from clarion.sample import sample
from clarion.verify.finding import Finding
from clarion.verify.gaussian_flow import log_uniform_times

ADDED_TO: tuple[AddedTo, ...] = ("score", "mean")

PROCESS = EDM()

MIDWAY = 1.0
"""The noise level, about that of the data, at which samples are looked at on their way."""

ROUNDING = 1e-9
"""Values reach 1e3 in float64, and steps multiply the errors of rounding by less than 1e3."""


@dataclass(frozen=True)
class GradientGuidance(Experiment):
    """Distance from the subspace on which the data lies, over the strength of guidance.

    Data x0 = B z on a `rank`-dimensional subspace of `dim` dimensions, z ~ N(0, V), and the reward
    r(x) = g . x, with g of length 1 along the subspace and 1 across it. Across the subspace the
    exact denoiser gives D = 0, so that with naive guidance of strength c the flow
    dy/ds = (y - D) / s from the noise level S on has there, along g,

        added to the mean    D = c,       y = c (1 - s / S),
        added to the score   D = c s²,    y = c s (S - s).

    A sampler ends with D at its last noise level s_min: at c, or at c s_min². Guidance through the
    denoiser adds J g in place of g, and J g lies in the subspace at every noise level; added to the
    score it raises the mean reward by c gᵀ B V Bᵀ g.
    """

    title: ClassVar[str] = "Guidance by a gradient"
    prediction: ClassVar[str] = (
        "Naive guidance of strength c ends at the distance c from the subspace of the data (at "
        "c s_min² where it is added to the score); guidance through the denoiser at 0."
    )
    source: ClassVar[str] = (
        "Guo, Yuan, Yang, Chen & Wang 2024, arXiv 2404.14743, theorem 1 (guidance through the "
        "denoiser); the distances of naive guidance follow from the flow."
    )
    reading: ClassVar[str] = (
        "A gradient added to the predicted data moves samples off the data's subspace by its whole "
        "length; added to the score it is undone in the end by the exact denoiser, but on the way "
        "samples are many noise levels off, where no network was trained. The gradient taken "
        "through the denoiser stays on the subspace at every strength and still raises the reward, "
        "at the price of a backward pass."
    )

    strengths: tuple[float, ...] = (0.1, 0.3, 1.0, 3.0, 10.0)
    dim: int = 12
    rank: int = 3
    num_steps: int = 64
    num_samples: int = 4
    seed: int = 0

    def run(self) -> Outcome:
        x = self.strengths
        on_mean = [self._end(c, "detached", "mean") for c in x]
        on_score = [self._end(c, "detached", "score") for c in x]
        on_the_way = [self._midway(c, "detached", "score") for c in x]
        ahead = [
            max(
                measure(c, "through", to)
                for measure in (self._end, self._midway)
                for to in ADDED_TO
            )
            for c in x
        ]
        gains = [self._gain(c) for c in x]
        along = self._gradient @ self._denoiser.moments()[1] @ self._gradient
        predicted_gains = [c * float(along) for c in x]
        last_level = float(PROCESS.noise_level(self._times[-2]))
        end_on_score = [c * last_level**2 for c in x]
        way_on_score = [c * MIDWAY * (PROCESS.sigma_max - MIDWAY) for c in x]

        # The last step gives D itself: there rounding alone is in the way. On the way, the flow is
        # solved to the second order in steps of log(80) / 64 in log noise level.
        naive = [
            ("the score: on the way, s = 1", 1, on_the_way, way_on_score, 0.02),
            ("the mean: at the end", 0, on_mean, x, 1e-6),
            ("the score: at the end", 4, on_score, end_on_score, 1e-6),
        ]
        findings, series = [], []
        for where, hue, measured, predicted, tolerance in naive:
            ratio = worst_ratio(measured, predicted)
            what = "distance, measured over predicted, at the worst strength"
            window = 1 - tolerance, 1 + tolerance
            findings.append(Finding("naive guidance", what, ratio, *window, where))
            series.append(Series(f"naive, on {where}", x, measured, hue=hue))
            series.append(Series("", x, predicted, "predicted", hue))
        series.append(Series("through the denoiser: everywhere", x, ahead, hue=2))
        through = "through the denoiser"
        what = "gain in reward, measured over predicted, at the worst strength"
        findings += [
            Finding(
                "naive guidance",
                "slope of the distance over the strength",
                log_log_slope(x, on_mean),
                0.99,
                1.01,
                "the mean",
            ),
            Finding(through, "largest distance", max(ahead), 0.0, ROUNDING, "the mean, the score"),
            # Samples start without the shift that the noisy data have at S: a share sqrt(v) / S.
            Finding(through, what, worst_ratio(gains, predicted_gains), 0.98, 1.02, "the score"),
        ]
        y_label = "distance from the subspace (data units)"
        chart = Chart(self.title, "strength c", y_label, series, True, True, legend_below=True)
        return Outcome(findings, chart)

    def _end(self, strength: float, gradient: Gradient, added_to: AddedTo) -> float:
        """How far from the subspace guided samples end."""
        guided = self._guided(strength, gradient, added_to)
        return self._distance(self._draw(guided, self._times))

    def _midway(self, strength: float, gradient: Gradient, added_to: AddedTo) -> float:
        """How far guidance has taken samples across the subspace at noise level `MIDWAY`.

        There is noise across it too: that of the plain samples, which start from the same numbers.
        """
        times = log_uniform_times(PROCESS, self.num_steps, PROCESS.sigma_max, MIDWAY)
        guided = self._draw(self._guided(strength, gradient, added_to), times)
        return self._distance(guided - self._draw(self._denoiser, times))

    def _gain(self, strength: float) -> float:
        """How much guidance through the denoiser, by the score, raises the mean reward.

        Both sets of samples start from the same numbers, so that no Monte Carlo error is left.
        """
        guided = self._draw(self._guided(strength, "through", "score"), self._times)
        plain = self._draw(self._denoiser, self._times)
        return float((self._reward(guided) - self._reward(plain)).mean())

    def _guided(self, strength: float, gradient: Gradient, added_to: AddedTo) -> Denoiser:
        rule = Reward(lambda x0, _: self._reward(x0), strength, gradient, added_to)
        return rule(self._denoiser)

    def _reward(self, x0: Tensor) -> Tensor:
        return x0 @ self._gradient

    def _draw(self, denoiser: Denoiser, times: Tensor) -> Tensor:
        return sample(
            denoiser,
            (self.dim,),
            n=self.num_samples,
            times=times,
            seed=self.seed,
            dtype=torch.float64,
        )

    def _distance(self, x: Tensor) -> float:
        """The largest length of what lies across the subspace."""
        return float((x - x @ self._basis @ self._basis.mT).norm(dim=1).max())

    @cached_property
    def _times(self) -> Tensor:
        return GRIDS["karras"]()(PROCESS, self.num_steps)

    @cached_property
    def _axes(self) -> Tensor:
        """(dim, dim); the first `rank` columns span the subspace."""
        return random_axes(self.dim, self.seed)

    @cached_property
    def _basis(self) -> Tensor:
        return self._axes[:, : self.rank]

    @cached_property
    def _gradient(self) -> Tensor:
        """g: as much of it along the subspace as across, in directions like any other."""
        return self._axes[:, : self.rank].sum(1) / self.rank**0.5 + self._axes[:, -1]

    @cached_property
    def _denoiser(self) -> SubspaceDenoiser:
        variances = torch.linspace(0.2, 1.0, self.rank, dtype=torch.float64)
        mean = torch.zeros(self.dim)
        return SubspaceDenoiser(PROCESS, self._basis, mean, torch.diag(variances))
