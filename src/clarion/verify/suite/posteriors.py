"""Posteriors: samples of p(x0 | measurement), held against coverage and calibration."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch

from clarion.base.names import NameTable
from clarion.guide.measurement import MMPS
from clarion.guide.measurement.operators import Matrix
from clarion.process import EDM
from clarion.sample import sample
from clarion.verify.doctor.posteriors import PosteriorMethod, check_posterior
from clarion.verify.inverse import INVERSE_PROBLEMS, InverseProblem
from clarion.verify.report import Report

MethodFor: TypeAlias = Callable[[InverseProblem], PosteriorMethod]
"""Inverse problem -> a method for it; most ignore the problem and use what they are called with."""


def exact_denoiser(problem: InverseProblem) -> PosteriorMethod:
    """Clarion's default sampler on the exact denoiser of the posterior."""
    prior = problem.denoiser(EDM(sigma_min=0.01, sigma_max=20.0))

    def method(denoiser, operator, y, sigma_y, n):
        posterior = prior.given_measurement(operator.double(), y.double(), sigma_y)
        seed = int(torch.randint(2**31, ()))
        settings = {"num_steps": 20, "grid": "log_snr_uniform", "dtype": torch.float64}
        return sample(posterior, (problem.dim,), n=n, seed=seed, **settings)

    return method


def moment_matching(problem: InverseProblem) -> PosteriorMethod:
    """The same sampler on the exact denoiser of the prior, steered by `MMPS`, solved exactly."""
    prior = problem.denoiser(EDM(sigma_min=0.01, sigma_max=20.0))

    def method(denoiser, operator, y, sigma_y, n):
        rule = MMPS(y.double(), Matrix(operator.double()), sigma_y, num_iterations=len(y))
        steered = rule(prior)
        seed = int(torch.randint(2**31, ()))
        settings = {"num_steps": 20, "grid": "log_snr_uniform", "dtype": torch.float64}
        return sample(steered, (problem.dim,), n=n, seed=seed, **settings)

    return method


POSTERIORS: NameTable[MethodFor] = NameTable(
    "posterior method", {"exact_denoiser": exact_denoiser, "mmps": moment_matching}
)
"""Name -> a way to sample a posterior."""

EXACT_ON = {"mmps": ("gaussian",)}
"""Name -> the inverse problems on which it is exact; all, where it does not stand here. Moment
matching takes x0 given x_t to be normal, which it is on normal data alone."""


def examine_posterior(name: str, method_for: MethodFor) -> Report:
    """Hold one method against every inverse problem on which it is exact."""
    reports = [
        check_posterior(method_for(INVERSE_PROBLEMS[key]), name=name, problems=[key])
        for key in EXACT_ON.get(name, INVERSE_PROBLEMS)
    ]
    findings = [finding for report in reports for finding in report.findings]
    charts = [chart for report in reports for chart in report.charts]
    return Report(f"posterior {name}", findings, charts)
