"""How far above the truth a Fréchet distance from few samples lies."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.streams import mix_seed
from clarion.evaluate.frechet import frechet_distance
from clarion.evaluate.moments import sample_moments
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.fit import log_log_slope
from clarion.verify.finding import Finding

DECAY = 0.5
"""Variance number i = 1, 2, ... of the features is i^-DECAY: features are never isotropic."""

SHIFT, STRETCH = 0.05, 1.05
"""The model that is not perfect: each feature is shifted, and its deviation stretched."""


def data_covariance(dim: int) -> Tensor:
    """Covariance of the data's features, (dim, dim)."""
    return torch.diag(torch.arange(1, dim + 1, dtype=torch.float64) ** -DECAY)


def bias_constant(cov_data: Tensor, cov_model: Tensor) -> float:
    """c of E FD_n = FD + c / n + O(1 / n²), for n Gaussian features of the model, data exact.

    With r_i the square roots of the eigenvalues of A B, for the data's covariance A and the
    model's B, the second derivative of tr (A^(1/2) B A^(1/2))^(1/2) and the variances of a sample
    covariance, E[E_ij²] = (b_i b_j + delta_ij b_i²) / (n - 1) in axes where B is diagonal, give

        c = tr B + (1/2) sum_ij r_i r_j / (r_i + r_j) + (1/4) sum_i r_i,

    of which tr B comes from the mean. For A = B = I it is dim (dim + 5) / 4.
    """
    r = torch.linalg.eigvals(cov_data @ cov_model).real.clamp(min=0).sqrt()
    pairs = (r[:, None] * r / (r[:, None] + r)).sum()
    return float(cov_model.trace() + pairs / 2 + r.sum() / 4)


@dataclass(frozen=True)
class FrechetBias(Experiment):
    """Fréchet distance between Gaussian features whose moments are known and n samples of a model.

    For a model that is perfect, N(0, A) like the data, the distance is 0 and all that is measured
    is bias. For another model of the same dimension, each feature shifted and stretched, the bias
    comes on top of the distance, and a line in 1 / n leads back to it.
    """

    title: ClassVar[str] = "Bias of the Fréchet distance"
    prediction: ClassVar[str] = (
        "From n samples the distance is too large by c/n; c = tr B + sum_ij r_i r_j / (2 (r_i + "
        "r_j)) + sum_i r_i / 4 for the model's covariance B and the root eigenvalues r of A B, so "
        "it grows with the square of the dimension."
    )
    source: ClassVar[str] = (
        "Chong & Forsyth 2020, arXiv 1911.07023 (bias of order 1/n, extrapolation); the constant "
        "is the second-order expansion for Gaussian features, worked out here."
    )
    reading: ClassVar[str] = (
        "A perfect model scores a distance that is above zero, falls only like 1/n and grows with "
        "the square of the number of features: compare models at the same n, and never a small n "
        "with a published large one. Measured at several n, a straight line in 1/n leads to the "
        "value of infinitely many samples."
    )

    dims: tuple[int, ...] = (8, 32, 128)
    num_samples: tuple[int, ...] = (512, 1024, 2048, 4096, 8192)
    num_repeats: int = 64
    seed: int = 0

    def run(self) -> Outcome:
        findings: list[Finding] = []
        series: list[Series] = []
        for hue, dim in enumerate(self.dims):
            findings += self._perfect(dim, hue, series)
        findings += self._imperfect(self.dims[len(self.dims) // 2], len(self.dims), series)
        y_label = "Fréchet distance to the data (squared units)"
        chart = Chart(self.title, "samples n", y_label, series, True, True, legend_below=True)
        return Outcome(findings, chart)

    def _perfect(self, dim: int, hue: int, series: list[Series]) -> list[Finding]:
        """A model equal to the data."""
        cov, zero = data_covariance(dim), torch.zeros(dim, dtype=torch.float64)
        distances = self._distances(cov, zero, cov)
        measured, error = _mean_and_error(distances)
        c = bias_constant(cov, cov)
        self._draw(f"perfect model, {dim} features", measured, error, 0.0, c, hue, series)
        n = self.num_samples[-1]
        # Four standard errors, and the next order, which is dim / n of this one.
        slack = 4 * error[-1] * n / c + dim / n
        setting = f"{dim} features"
        slope, ratio = log_log_slope(self.num_samples, measured), measured[-1] * n / c
        return [
            Finding("perfect model", "slope of the distance in n", slope, -1.15, -0.85, setting),
            Finding("perfect model", f"n FD / c at n = {n}", ratio, 1 - slack, 1 + slack, setting),
        ]

    def _imperfect(self, dim: int, hue: int, series: list[Series]) -> list[Finding]:
        """A model with a distance of its own, and the line in 1 / n that leads to it."""
        cov = data_covariance(dim)
        shift = torch.full((dim,), SHIFT, dtype=torch.float64)
        distances = self._distances(cov, shift, STRETCH**2 * cov)
        measured, error = _mean_and_error(distances)
        # The covariances have the same axes, so that the distance is a sum over the features.
        truth = dim * SHIFT**2 + (STRETCH - 1) ** 2 * float(cov.trace())
        c = bias_constant(cov, STRETCH**2 * cov)
        self._draw(f"imperfect model, {dim} features", measured, error, truth, c, hue, series)
        x = torch.tensor([1 / n for n in self.num_samples], dtype=torch.float64)
        away = x - x.mean()
        ends = distances.mean(1) - (distances @ away) / away.square().sum() * x.mean()
        ratio, slack = float(ends.mean()) / truth, 4 * float(_standard_error(ends)) / truth
        what = "distance extrapolated to 1/n = 0, over the true one"
        excess = measured[0] / truth
        setting = f"{dim} features"
        return [
            Finding("imperfect model", what, ratio, 1 - slack, 1 + slack, setting),
            Finding(
                "imperfect model",
                f"distance from {self.num_samples[0]} samples, over the true one",
                excess,
                low=1.0,
                setting=setting,
            ),
        ]

    def _distances(self, cov_data: Tensor, mean: Tensor, cov_model: Tensor) -> Tensor:
        """Fréchet distances of samples of the model, (repeats, sizes)."""
        generator = torch.Generator().manual_seed(mix_seed(self.seed, len(mean), str(mean)))
        zero, deviations = torch.zeros_like(mean), cov_model.diag().sqrt()
        distances = torch.zeros(self.num_repeats, len(self.num_samples), dtype=torch.float64)
        for repeat in range(self.num_repeats):
            for number, n in enumerate(self.num_samples):
                z = torch.randn(n, len(mean), generator=generator, dtype=torch.float64)
                sampled = sample_moments(mean + deviations * z)
                distances[repeat, number] = frechet_distance(zero, cov_data, *sampled)
        return distances

    def _draw(
        self,
        label: str,
        measured: list[float],
        error: list[float],
        truth: float,
        c: float,
        hue: int,
        series: list[Series],
    ) -> None:
        line = [truth + c / n for n in self.num_samples]
        series += [
            Series(label, self.num_samples, measured, hue=hue, error=error),
            Series(
                "true distance + c/n" if hue == 0 else "", self.num_samples, line, "predicted", hue
            ),
        ]


def _mean_and_error(repeats: Tensor) -> tuple[list[float], list[float]]:
    """Mean over the first axis, and its standard error."""
    return repeats.mean(0).tolist(), _standard_error(repeats).tolist()


def _standard_error(repeats: Tensor) -> Tensor:
    return repeats.std(0) / len(repeats) ** 0.5
