"""How the error of a score learned from n examples falls with n, and grows with the dimension."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.condition import Condition
from clarion.base.streams import mix_seed
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.exact import GaussianDenoiser, MixtureDenoiser
from clarion.evaluate.moments import sample_moments
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.fit import log_log_slope
from clarion.lab.training import train_denoiser
from clarion.process import VE
from clarion.verify.finding import Finding

PROCESS = VE()

NOISE_LEVEL = 0.1
"""The score is that of x0 + 0.1 noise: nearly the data's own."""

MODES = MixtureDenoiser(
    PROCESS, [0.5, 0.3, 0.2], [[1.0, 0.4], [-1.0, 0.3], [-1.0, -1.45]], [0.1, 0.05, 0.15]
)
"""What the network learns: three modes in two dimensions, centred."""

WORST_CASE = -2 / (2 + 4)
"""Exponent of the minimax rate n^(-2 / (d + 4)) for Lipschitz scores, in d = 2 dimensions."""


def plug_in_constant(variances: Tensor, level: float) -> float:
    """c of E |s_n - s|² = c / n + O(1 / n²) for the score of a Gaussian with estimated moments.

    Data N(mean, diag(v)), v (dim,), at noise level s, p_i = 1 / (v_i + s²). The estimated mean
    moves the score by p_i times its error, of variance v_i / n; the estimated covariance by
    P E P (y - mean) with E[E_ij²] = (v_i v_j + delta_ij v_i²) / n:

        c = sum_i p_i² v_i + sum_ij p_i² p_j v_i v_j + sum_i p_i³ v_i².

    For v = 1 it is d p² + d (d + 1) p³: the covariance's d² numbers rule.
    """
    p = 1 / (variances + level**2)
    pv = p * variances
    return float((p * pv).sum() + (p * pv).sum() * pv.sum() + (p * pv**2).sum())


@dataclass(frozen=True)
class ScoreEstimation(Experiment):
    """Squared error of the score at noise level 0.1, averaged over the true noisy data.

    Plug-in: data N(0, I) in several dimensions, its score with the mean and covariance of n
    examples. Both scores are affine, so that the average over the data is exact.

    Network: three modes in two dimensions; a perceptron is trained on four fifths of n examples,
    and stopped where its loss on the last fifth is least. Beside it stand the score of the n
    examples themselves, which is the minimum of the loss that it was trained with, and what as many
    steps reach on examples without end: below that, more examples do not help.
    """

    title: ClassVar[str] = "Score estimation"
    prediction: ClassVar[str] = (
        "The plug-in score of a Gaussian has the error (d p² + d (d + 1) p³) / n, p = 1 / (1 + "
        "s²): parametric, d²/n. For scores known to be Lipschitz alone no estimator does better "
        "than n^(-2/(d+4)) in the worst case, and smooth ones allow rates close to 1/n; what a "
        "network reaches is measured."
    )
    source: ClassVar[str] = (
        "Wibisono, Wu & Yang 2024, arXiv 2402.07747 (n^(-2/(d+4)), up to logarithms); Oko, Akiyama "
        "& Suzuki 2023, arXiv 2303.01861, and Fu, Yang, Wang & Chen 2024, arXiv 2403.11968 "
        "(networks, rates in the smoothness); the plug-in constant is worked out here."
    )
    reading: ClassVar[str] = (
        "A score with d² parameters needs examples in proportion to d². The network, which is not "
        "told the form of the data, falls faster than the worst case over all scores, until the "
        "number of its steps and not of its examples limits it; stopped early it stays well below "
        "the examples' own score, to which training to the end would lead at small noise."
    )

    dims: tuple[int, ...] = (16, 32, 64)
    num_examples: tuple[int, ...] = (1024, 4096, 16384)
    num_repeats: int = 16
    network_examples: tuple[int, ...] = (64, 256, 1024, 4096)
    train_steps: int = 600
    seed: int = 0

    def run(self) -> Outcome:
        findings: list[Finding] = []
        series: list[Series] = []
        ends = [self._plug_in(dim, hue, findings, series) for hue, dim in enumerate(self.dims)]
        slope, what = log_log_slope(self.dims, ends), f"slope in d at n = {self.num_examples[-1]}"
        findings.append(Finding("plug-in", what, slope, 1.85, 2.15))
        self._network(len(self.dims), findings, series)
        y_label = "E |learned - true score|²"
        chart = Chart(self.title, "examples n", y_label, series, True, True, legend_below=True)
        return Outcome(findings, chart)

    def _plug_in(self, dim: int, hue: int, findings: list[Finding], series: list[Series]) -> float:
        """Adds to both lists; returns the error from the most examples."""
        generator = torch.Generator().manual_seed(mix_seed(self.seed, "plug-in", dim))
        settings = {"generator": generator, "dtype": torch.float64}
        errors = torch.zeros(self.num_repeats, len(self.num_examples), dtype=torch.float64)
        truth = GaussianDenoiser(PROCESS, torch.zeros(dim), torch.eye(dim))
        for repeat in range(self.num_repeats):
            for number, n in enumerate(self.num_examples):
                moments = sample_moments(torch.randn(n, dim, **settings))
                learned = GaussianDenoiser(PROCESS, *moments)
                errors[repeat, number] = affine_score_error(learned, truth, dim)
        measured = errors.mean(0).tolist()
        error = (errors.std(0) / self.num_repeats**0.5).tolist()
        c = plug_in_constant(torch.ones(dim, dtype=torch.float64), NOISE_LEVEL)
        line = [c / n for n in self.num_examples]
        setting, n = f"d = {dim}", self.num_examples[-1]
        slope, ratio = log_log_slope(self.num_examples, measured), measured[-1] / line[-1]
        # Four standard errors, and the next order, which is some 4 d / n of this one.
        slack = 4 * error[-1] / line[-1] + 4 * dim / n
        findings += [
            Finding("plug-in", "slope of the error in n", slope, -1.15, -0.85, setting),
            Finding("plug-in", f"error over c/n at n = {n}", ratio, 1 - slack, 1 + slack, setting),
        ]
        series += [
            Series(f"plug-in, d = {dim}", self.num_examples, measured, hue=hue, error=error),
            Series("c/n" if hue == 0 else "", self.num_examples, line, "predicted", hue),
        ]
        return measured[-1]

    def _network(self, hue: int, findings: list[Finding], series: list[Series]) -> None:
        sizes = self.network_examples
        learned: list[float] = []
        empirical: list[float] = []
        for n in sizes:
            generator = torch.Generator().manual_seed(mix_seed(self.seed, "modes", n))
            x0 = MODES.sample(n, generator)
            learned.append(
                mixture_score_error(trained_on(x0, self.train_steps, self.seed), self.seed)
            )
            shares = torch.full((n,), 1 / n, dtype=torch.float64)
            memory = MixtureDenoiser(PROCESS, shares, x0, 0.0)
            empirical.append(mixture_score_error(memory, self.seed))
        endless = mixture_score_error(trained_on(None, self.train_steps, self.seed), self.seed)
        slope = log_log_slope(sizes, learned)
        over = max(a / b for a, b in zip(learned, empirical, strict=True))
        what = "largest error over that of the examples' own score"
        findings += [
            Finding("network", "fitted exponent of the error in n", slope, high=WORST_CASE),
            Finding("network", what, over, high=1.0),
        ]
        line = [learned[0] * (n / sizes[0]) ** WORST_CASE for n in sizes]
        series += [
            Series("network, d = 2", sizes, learned, hue=hue),
            Series("slope of the worst case, n^(-1/3)", sizes, line, "predicted", hue),
            Series("network, endless examples", sizes, [endless] * len(sizes), hue=hue + 2),
            Series("the examples' own score, d = 2", sizes, empirical, hue=hue + 1),
        ]


def trained_on(x0: Tensor | None, num_steps: int, seed: int) -> Denoiser:
    """A network trained on four fifths of the examples (n, 2) and stopped by the last fifth.

    Without examples, it is trained on new ones in every step: what its training limits it to.
    """
    if x0 is None:
        return train_denoiser(
            lambda n, generator: (MODES.sample(n, generator), None),
            {},
            PROCESS,
            num_steps=num_steps,
            seed=seed,
        )
    num_held = max(8, len(x0) // 5)
    held_out, examples = x0[:num_held], x0[num_held:]

    def draw(n: int, generator: torch.Generator) -> tuple[Tensor, Condition | None]:
        return examples[torch.randint(len(examples), (n,), generator=generator)], None

    return train_denoiser(draw, {}, PROCESS, num_steps=num_steps, held_out=held_out, seed=seed)


def score_at(denoiser: Denoiser, y: Tensor) -> Tensor:
    """The score of noisy data y (n, dim) at the experiment's noise level, (n, dim)."""
    level = torch.full((len(y),), NOISE_LEVEL, dtype=torch.float64)
    t = PROCESS.time_of_noise_level(level)
    return denoiser(y, t).score(PROCESS, y, t)


def affine_score_error(learned: Denoiser, truth: Denoiser, dim: int) -> float:
    """E |s_n(y) - s(y)|² over y ~ N(0, (1 + s²) I), for scores that are affine in y.

    An affine function b + J y is known from its values at 0 and at the unit vectors.
    """
    at = torch.cat([torch.zeros(1, dim), torch.eye(dim)]).double()
    values = score_at(learned, at) - score_at(truth, at)
    b, J = values[0], values[1:] - values[0]
    return float(b.square().sum() + (1 + NOISE_LEVEL**2) * J.square().sum())


def mixture_score_error(learned: Denoiser, seed: int, num_points: int = 2000) -> float:
    """The mean of |s_n(y) - s(y)|² over points y of the three modes with noise."""
    generator = torch.Generator().manual_seed(mix_seed(seed, "points"))
    x0 = MODES.sample(num_points, generator)
    y = x0 + NOISE_LEVEL * torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    return float((score_at(learned, y) - score_at(MODES, y)).square().sum(1).mean())
