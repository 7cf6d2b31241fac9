"""Samplers of tokens: their law, against that of a chain of which every sequence can be listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

import torch
from torch import Tensor

from clarion.process.tokens import Masking, TokenProcess
from clarion.sample import Sampler, sample
from clarion.sample.particles import ParticleSampler
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.confidence import Confidence, Measure
from clarion.sample.tokens.corrector import PredictorCorrector
from clarion.sample.tokens.remasking import Remasking
from clarion.sample.tokens.sampler import TokenSampler
from clarion.sample.tokens.tau_leaping import TauLeaping
from clarion.verify.finding import Finding
from clarion.verify.report import Report
from clarion.verify.suite.evidence import NUM_SAMPLES, ROUNDING
from clarion.verify.suite.token_particles import examine_token_particles
from clarion.verify.token_law import (
    CHAIN,
    PROCESSES,
    ListedDenoiser,
    distance,
    in_floors,
    law,
    moves,
    noisy_sequences,
    start,
)

KNOWN_LAWS: Mapping[str, tuple[Sequence[TokenSampler], Sequence[str]]] = {
    "ancestral": ([AncestralTokens()], ["masks", "uniform"]),
    "tau_leaping": ([TauLeaping()], ["masks", "uniform"]),
    "remasking": ([Remasking(), Remasking(rate=3.0)], ["masks"]),
    "predictor_corrector": ([PredictorCorrector()], ["masks", "uniform"]),
    "confidence": ([Confidence(m) for m in get_args(Measure)], ["masks"]),
}
"""Name -> settings of a sampler that tends to the law of the model, and the processes that it
serves."""

EXACT = ("confidence",)
"""Those whose law is that of the model as soon as there is a step for each position."""

AT_ITS_TIME = ("ancestral", "remasking")
"""Those of which each position is masked at time t with the probability 1 - alpha(t) exactly. The
law of the tokens does not depend on it in the limit: only on that they are shown one by one."""

NUM_STEPS = (32, 64)
FEW_STEPS = 4

HALVED = (1.85, 2.15)
"""The error is 1 / n and a part of 1 / n², which at 64 steps is less than a tenth of it."""

LIMIT = 2e-3
"""Part of 1 / n² in what extrapolation leaves of the error at 64 steps."""


def examine_token_sampler(
    name: str, cls: type[Sampler], settings: Sequence[TokenSampler] | None = None
) -> Report:
    """Hold one sampler against the law that it promises.

    Args:
        name: of the sampler.
        cls: its class.
        settings: instances of it; None for those in the table.
    """
    title = f"token sampler {name}"
    if issubclass(cls, ParticleSampler):  # there is none without a reward
        return Report(title, examine_token_particles(name, cls))
    samplers, processes = KNOWN_LAWS.get(name, ([], []))
    if not samplers:
        problem = "its law is in no table of known answers; add it to KNOWN_LAWS"
        return Report(title, [Finding(name, "law", float("nan"), problem=problem)])
    findings: list[Finding] = []
    for sampler in samplers if settings is None else settings:
        for process_name in processes:
            process, setting = PROCESSES[process_name], f"{sampler}, {process_name}"
            findings += _law_findings(name, sampler, process, setting)
            findings += _sample_findings(name, sampler, process, setting)
    return Report(title, findings)


def _law_findings(
    name: str, sampler: TokenSampler, process: TokenProcess, setting: str
) -> list[Finding]:
    denoiser, truth = ListedDenoiser(process).exact, CHAIN.probabilities
    steps = list(moves(sampler, denoiser, FEW_STEPS))
    lost = max(float((move.abs().sum(1) - 1).abs().max()) for _, _, move in steps)
    what = "probability that is lost, or below 0"
    findings = [Finding(name, what, lost, high=ROUNDING, setting=setting)]
    if name in AT_ITS_TIME and isinstance(process, Masking):
        is_masked = (noisy_sequences(process) == process.mask).double()
        p, off = start(process), 0.0
        for stage, _, move in steps:
            p = p @ move
            alpha = float(process.alpha(torch.tensor(stage.next_t, dtype=torch.float64)))
            off = max(off, float((p @ is_masked - (1 - alpha)).abs().max()))
        what = "error of the share of masks at every time"
        findings.append(Finding(name, what, off, high=ROUNDING, setting=setting))
    if name in EXACT:
        off = max(distance(law(sampler, denoiser, n), truth) for n in (CHAIN.length, 10))
        what = "distance from the law, one position a step"
        return [*findings, Finding(name, what, off, high=ROUNDING, setting=setting)]
    coarse, fine = (law(sampler, denoiser, n) for n in NUM_STEPS)
    gain = distance(coarse, truth) / distance(fine, truth)
    limit = distance(2 * fine - coarse, truth)  # Richardson's extrapolation
    what = "distance from the law, over that in twice as many steps"
    return [
        *findings,
        Finding(name, what, gain, *HALVED, setting=setting),
        Finding(name, "distance in the limit of small steps", limit, high=LIMIT, setting=setting),
    ]


def _sample_findings(
    name: str, sampler: Sampler, process: TokenProcess, setting: str
) -> list[Finding]:
    """What is drawn has the law that its transitions have, whoever else is in the batch."""
    assert isinstance(sampler, TokenSampler), "others have no transitions"
    denoiser = ListedDenoiser(process)

    def draw(indices: Sequence[int]) -> Tensor:
        return sample(denoiser, (3,), indices=indices, sampler=sampler, num_steps=FEW_STEPS, seed=1)

    x = draw(range(NUM_SAMPLES))
    found, limit = in_floors(x, law(sampler, denoiser.exact, FEW_STEPS))
    effect = float((draw([5, 3, 8, 0]) - x[[5, 3, 8, 0]]).abs().max())
    what, unit = f"samples in {FEW_STEPS} steps", "times the noise floor"
    return [
        Finding(name, what, found, high=limit, setting=setting, unit=unit),
        Finding(name, "effect of the other rows of the batch", effect, 0, 0, setting=setting),
    ]
