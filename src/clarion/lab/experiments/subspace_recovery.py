"""How many examples it takes to find the subspace on which the data lies."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.streams import mix_seed
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.exact import GaussianDenoiser
from clarion.evaluate.moments import sample_moments
from clarion.lab.experiment import Experiment, Outcome
from clarion.lab.fit import log_log_slope
from clarion.process import VPCosine
from clarion.verify.finding import Finding

PROCESS = VPCosine()

VARIANCES = (2.0, 1.0, 0.7, 0.5)
"""Of the data along the axes of its subspace, of intrinsic dimension 4."""

NOISE_DEVIATION = 0.2
"""Of the data in each direction across the subspace."""

NOISE_LEVEL = 1.0
"""sigma / alpha at which the denoiser is asked for its subspace."""


def predicted_sine(dim: int, noise_deviation: float, num_examples: int) -> float:
    """Root mean square of |sin Theta|, to leading order in 1 / n.

    A sample covariance tilts axis j of the subspace towards each direction across it by a number of
    variance tau² (v_j + tau²) / (n v_j²), v_j being the excess of its variance over the noise tau²:

        E |sin Theta|² = (dim - k) tau² sum_j (v_j + tau²) / v_j² / n.
    """
    tau2 = noise_deviation**2
    tilts = sum((v + tau2) / v**2 for v in VARIANCES)
    return math.sqrt((dim - len(VARIANCES)) * tau2 * tilts / num_examples)


def learned_subspace(denoiser: Denoiser, dim: int, rank: int) -> Tensor:
    """Orthonormal basis (dim, rank) of what an affine denoiser lets through most.

    It is asked about 0 and the unit vectors: its differences are the columns of its matrix.
    """
    level = torch.tensor(NOISE_LEVEL, dtype=torch.float64)
    t = PROCESS.time_of_noise_level(level)
    x_t = torch.cat([torch.zeros(1, dim, dtype=torch.float64), torch.eye(dim, dtype=torch.float64)])
    answers = denoiser(x_t, t.expand(dim + 1)).mean
    return torch.linalg.svd((answers[1:] - answers[:1]).mT).U[:, :rank]


@dataclass(frozen=True)
class SubspaceRecovery(Experiment):
    """Data x0 = A z + tau noise about a subspace, a linear denoiser fitted, and its angle to A.

    A has k = 4 orthonormal columns in `dim` dimensions; z is uniform, for nothing here needs it to
    be normal. Of all affine denoisers, that of a Gaussian with the moments of the n examples has
    the least denoising loss on them, at every noise level and for all noise. |sin Theta| is the
    length (Frobenius) of the part of its k foremost axes that lies across A.

    Where the data lies on the subspace exactly, tau = 0, as in the source, no angle is left once
    n > k. The bound proven there, for networks and any z, falls with a power of n, and is loose
    here.
    """

    title: ClassVar[str] = "Recovery of the data's subspace"
    prediction: ClassVar[str] = (
        "The angle between the learned subspace and the data's falls like n^(-1/2) whatever the "
        "dimension; its size follows from the noise across the subspace in all, (D - k) tau²."
    )
    source: ClassVar[str] = (
        "Chen, Huang, Zhao & Wang 2023, arXiv 2302.07194 (subspace recovery, with rates in the "
        "intrinsic dimension); the constant is the first-order perturbation of a covariance."
    )
    reading: ClassVar[str] = (
        "Four times the examples halve the angle in 16 dimensions and in 256 alike: the ambient "
        "dimension enters through the energy of what lies off the subspace and not by itself, so "
        "that the last curve, of 256 dimensions with the energy of 16, falls on the first. Clean "
        "data, or an encoder that removes noise, saves examples; leaving out dimensions in which "
        "nothing happens does not."
    )

    dims: tuple[int, ...] = (16, 64, 256)
    num_examples: tuple[int, ...] = (256, 512, 1024, 2048, 4096, 8192)
    num_repeats: int = 12
    seed: int = 0

    def run(self) -> Outcome:
        findings: list[Finding] = []
        series: list[Series] = []
        rank, first, last = len(VARIANCES), self.dims[0], self.dims[-1]
        cases = [(dim, NOISE_DEVIATION, f"D = {dim}") for dim in self.dims]
        same_energy = NOISE_DEVIATION * math.sqrt((first - rank) / (last - rank))
        cases.append((last, same_energy, f"D = {last}, noise in all as for D = {first}"))
        for hue, (dim, tau, label) in enumerate(cases):
            squares = self._squared_sines(dim, tau)
            measured = squares.mean(0).sqrt().tolist()
            error = (squares.std(0) / self.num_repeats**0.5 / 2 / squares.mean(0).sqrt()).tolist()
            line = [predicted_sine(dim, tau, n) for n in self.num_examples]
            slope = log_log_slope(self.num_examples, measured)
            # Four standard errors; and the next order, of relative size |sin Theta|².
            slack = 4 * error[-1] / line[-1] + line[-1] ** 2
            ratio = measured[-1] / line[-1]
            what = f"|sin Theta| over the predicted, from {self.num_examples[-1]} examples"
            findings += [
                Finding("linear denoiser", "slope of |sin Theta| in n", slope, -0.65, -0.35, label),
                Finding("linear denoiser", what, ratio, 1 - slack, 1 + slack, label),
            ]
            series += [
                Series(label, self.num_examples, measured, hue=hue, error=error),
                Series(
                    "first order in 1/n" if hue == 0 else "",
                    self.num_examples,
                    line,
                    "predicted",
                    hue,
                ),
            ]
        few = 2 * rank
        exact = float(self._squared_sine(last, 0.0, few, self._generator(last, 0.0)) ** 0.5)
        what, setting = f"|sin Theta| from {few} examples", f"D = {last}, data on the subspace"
        findings.append(Finding("linear denoiser", what, exact, 0, 1e-6, setting))
        y_label = "|sin Theta| to the true subspace"
        chart = Chart(self.title, "examples n", y_label, series, True, True, legend_below=True)
        return Outcome(findings, chart)

    def _squared_sines(self, dim: int, noise_deviation: float) -> Tensor:
        """|sin Theta|², (repeats, sizes)."""
        generator = self._generator(dim, noise_deviation)
        rows = [
            [self._squared_sine(dim, noise_deviation, n, generator) for n in self.num_examples]
            for _ in range(self.num_repeats)
        ]
        return torch.tensor(rows, dtype=torch.float64)

    def _squared_sine(
        self, dim: int, noise_deviation: float, n: int, generator: torch.Generator
    ) -> float:
        rank = len(VARIANCES)
        settings = {"generator": generator, "dtype": torch.float64}
        A = torch.linalg.qr(torch.randn(dim, rank, **settings)).Q
        deviations = torch.tensor(VARIANCES, dtype=torch.float64).sqrt()
        z = math.sqrt(3) * (2 * torch.rand(n, rank, **settings) - 1)  # of unit variance
        x0 = (deviations * z) @ A.mT + noise_deviation * torch.randn(n, dim, **settings)
        V = learned_subspace(GaussianDenoiser(PROCESS, *sample_moments(x0)), dim, rank)
        return float((V - A @ (A.mT @ V)).square().sum())

    def _generator(self, dim: int, noise_deviation: float) -> torch.Generator:
        return torch.Generator().manual_seed(mix_seed(self.seed, dim, str(noise_deviation)))
