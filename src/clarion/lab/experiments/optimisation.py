"""Optimisation by guidance: with the model refitted to its samples, and without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.exact import SubspaceDenoiser
from clarion.guide.gradient.reward import Reward
from clarion.lab.axes import random_axes
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.fit import log_log_slope, worst_ratio
from clarion.process import EDM
from clarion.sample import sample
from clarion.verify.finding import Finding

PROCESS = EDM(sigma_max=500.0)
"""Samples start without the shift that the noisy data have there: a share 1 / 500 of it."""

SHRINKING = 1e-6
"""Steps are compared while they are longer than this, and rounding plays no part."""


@dataclass(frozen=True)
class Optimisation(Experiment):
    """Rounds of guidance by a concave reward, and how far its mean falls short of the best point.

    Data x0 = B z, z ~ N(0, V), V = diag(1, 1/2, 1/4, ...); reward f(x) = -|x - x*|² / 2, whose best
    point x* lies one standard deviation out along each axis, and off the subspace. A round

        takes the gradient g = grad f(m_k) at the mean m_k of the last samples,
        samples with the denoiser guided, through itself, by the reward g . x0 with strength 1 / P.

    That is exact here: samples have the density p(x) exp(g . x / P) up to its constant, and so the
    mean of p plus C g / P, with C = B V Bᵀ, and still the covariance C. The next mean is thus

        refitted       m_k + C grad f(m_k) / P, gradient ascent in the norm |x|² = xᵀ C⁻¹ x,
        not refitted   m_0 + C grad f(m_k) / P, a contraction to argmax f(x) - P |x - m_0|² / 2,

    where refitted means that p gets the mean of the last samples. In that norm f is L-smooth with
    L = max v, and P is above L. The sub-optimality, of f on the subspace, after K rounds is

        refitted       sum over axes of c² (1 - r)^(2 K) / 2,                       r = v / P,
        not refitted   sum over axes of c² (1 + r (-r)^K)² / (1 + r)² / 2,

    with c the offset of x* from m_0. Data with axes v, c² = v of all sizes turn the first into 1/K.
    """

    title: ClassVar[str] = "Optimisation by guidance"
    prediction: ClassVar[str] = (
        "With the model refitted to its samples the sub-optimality falls like 1/K in the rounds K; "
        "without, it stops where a penalty P |x - m_0|² / 2 balances the reward, and gets there "
        "by a factor L/P a round."
    )
    source: ClassVar[str] = (
        "Guo, Yuan, Yang, Chen & Wang 2024, arXiv 2404.14743, theorem 2 (not refitted) and theorem "
        "3 (refitted; the rate up to constants and logarithms). The bound P |x* - m_0|² / (2 K) "
        "is that of gradient ascent: Beck & Teboulle 2009, doi 10.1137/080716542, theorem 3.1."
    )
    reading: ClassVar[str] = (
        "Guidance alone, repeated as often as you like, is held back by the data the model was "
        "trained on, most so where they vary least; a model refitted to its guided samples goes "
        "on improving, at the proven rate and with a smaller constant. The rate 1/K is that of "
        "data whose variances spread over many scales: were they all alike, refitting would "
        "converge geometrically."
    )

    rounds: tuple[int, ...] = (2, 4, 8, 16, 32, 64)
    penalty: float = 2.0
    dim: int = 24
    rank: int = 12
    num_steps: int = 40
    seed: int = 0

    def run(self) -> Outcome:
        refitted, fixed = self._means(refits=True), self._means(refits=False)
        gaps = [self._gap(refitted[k]) for k in self.rounds]
        stuck = [self._gap(fixed[k]) for k in self.rounds]

        r = self._variances / self.penalty
        start = self._target**2 / 2
        falling = [float((start * (1 - r) ** (2 * k)).sum()) for k in self.rounds]
        resting = [float((start * ((1 + r * (-r) ** k) / (1 + r)) ** 2).sum()) for k in self.rounds]
        length = float((self._target**2 / self._variances).sum())
        bound = [self.penalty * length / (2 * k) for k in self.rounds]

        loosest = max(gap / most for gap, most in zip(gaps, bound, strict=True))
        slope = log_log_slope(self.rounds, gaps)
        factor = self._contraction(fixed)
        L = float(self._variances.max()) / self.penalty
        off = max(self._across(mean) for mean in (*refitted, *fixed))
        what = "sub-optimality, measured over predicted, at the worst round"
        findings = [
            Finding("refitted", "slope of the sub-optimality over the rounds", slope, -1.15, -0.85),
            # The sampler moves the mean by 1 % too little or too much, its error in steps of 0.3.
            Finding("refitted", what, worst_ratio(gaps, falling), 0.97, 1.03),
            Finding("refitted", "largest sub-optimality over its bound", loosest, high=1.0),
            Finding("not refitted", what, worst_ratio(stuck, resting), 0.97, 1.03),
            Finding("not refitted", "factor a round, over L / P", factor / L, 0.97, 1.03),
            Finding("both", "largest distance of a mean from the subspace", off, 0.0, 1e-9),
        ]
        x = self.rounds
        series = [
            Series("not refitted", x, stuck, hue=1),
            Series("", x, resting, "predicted", 1),
            Series("refitted", x, gaps),
            Series("", x, falling, "predicted"),
            Series("bound if refitted", x, bound, "bound"),
        ]
        y_label = "sub-optimality (units of the reward)"
        return Outcome(findings, Chart(self.title, "rounds K", y_label, series, True, True))

    def _means(self, refits: bool) -> list[Tensor]:
        """The means (dim,) of the samples before the first round and after each."""
        denoiser: Denoiser = self._denoiser(torch.zeros(self.dim, dtype=torch.float64))
        # Every round starts from the same numbers and the sampler is affine on Gaussian data: what
        # these numbers add to the mean of a batch is what they add to that of the plain samples.
        chance = self._draw(denoiser)
        means = [torch.zeros_like(chance)]
        for _ in range(max(self.rounds)):
            gradient = self._best_point - means[-1]
            rule = Reward(lambda x0, _, g=gradient: x0 @ g, 1 / self.penalty)
            means.append(self._draw(rule(denoiser)) - chance)
            if refits:
                denoiser = self._denoiser(means[-1])
        return means

    def _draw(self, denoiser: Denoiser) -> Tensor:
        """The mean of a batch of samples, (dim,)."""
        x = sample(
            denoiser,
            (self.dim,),
            n=2,
            grid="karras",
            num_steps=self.num_steps,
            seed=self.seed,
            dtype=torch.float64,
        )
        return x.mean(0)

    def _gap(self, mean: Tensor) -> float:
        """The sub-optimality of a mean, (dim,), among the points of the subspace."""
        return float((self._target - self._basis.mT @ mean).square().sum() / 2)

    def _across(self, mean: Tensor) -> float:
        return float((mean - self._basis @ (self._basis.mT @ mean)).norm())

    def _contraction(self, means: list[Tensor]) -> float:
        """The factor by which a round shortens the step, in the norm of C⁻¹, in the last rounds."""
        steps = [
            float(((self._basis.mT @ (b - a)) / self._variances.sqrt()).norm())
            for a, b in pairwise(means)
        ]
        steps = [length for length in steps if length > SHRINKING]
        return steps[-1] / steps[-2]

    def _denoiser(self, mean: Tensor) -> SubspaceDenoiser:
        """The exact denoiser of data of this mean, (dim,)."""
        return SubspaceDenoiser(PROCESS, self._basis, mean, torch.diag(self._variances))

    @cached_property
    def _basis(self) -> Tensor:
        return random_axes(self.dim, self.seed)[:, : self.rank]

    @cached_property
    def _variances(self) -> Tensor:
        """v, (rank,)."""
        return 0.5 ** torch.arange(self.rank, dtype=torch.float64)

    @cached_property
    def _target(self) -> Tensor:
        """c, the best point of the subspace along its axes, (rank,)."""
        return self._variances.sqrt()

    @cached_property
    def _best_point(self) -> Tensor:
        """x*, (dim,), as far off the subspace as the data are wide."""
        return self._basis @ self._target + random_axes(self.dim, self.seed)[:, -1]
