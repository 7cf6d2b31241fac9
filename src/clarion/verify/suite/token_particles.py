"""Particles of tokens: the law of their samples, p(x) exp(scale r(x)), by enumeration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.process.tokens import TokenProcess
from clarion.sample import Sampler, sample
from clarion.sample.particles import ParticleSampler, ValueFunction
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.value_decoding import ValueDecodingSampler
from clarion.verify.finding import Finding
from clarion.verify.suite.evidence import NUM_SAMPLES
from clarion.verify.token_law import (
    CHAIN,
    PROCESSES,
    ListedDenoiser,
    in_floors,
    law,
    moves,
    noisy_sequences,
)

SCALE, NUM_STEPS, INNER = 2.0, 4, AncestralTokens()
MANY = 48
"""Particles; their bias, about 1 / MANY of the distance to the law of the sampler alone, is below
the noise of the samples."""

REWARDS = torch.rand(3, 3, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(3))


def reward(x0: Tensor, condition: Condition | None) -> Tensor:
    """A number in [0, 1] for each of the 27 sequences, no two alike."""
    return REWARDS[tuple(x0.T)]


def tilted(process: TokenProcess) -> Tensor:
    """p(x) exp(scale r(x)) / Z of what the sampler alone draws, in the few steps that it has."""
    weighed = law(INNER, ListedDenoiser(process).exact, NUM_STEPS) * (SCALE * REWARDS).exp()
    return weighed / weighed.sum()


def soft_value(process: TokenProcess) -> ValueFunction:
    """log E[exp(scale r(x0)) | x_t] / scale in the sampler's own chain, from its end backwards."""
    x = noisy_sequences(process)
    is_clean = (x < CHAIN.vocabulary).all(1)
    gain = torch.zeros(len(x), dtype=torch.float64)
    gain[is_clean] = (SCALE * reward(x[is_clean], None)).exp()
    values = {}
    for stage, _, move in reversed(list(moves(INNER, ListedDenoiser(process).exact, NUM_STEPS))):
        gain = move @ gain
        values[stage.t] = (gain.log() / SCALE).reshape([process.num_states] * CHAIN.length)
    return lambda x_t, t, condition: values[t][tuple(x_t.T)]


def weighed_law(process: TokenProcess, count: int) -> Tensor:
    """Of one of `count` particles, by its weight alone.

    P(x) = P q(x) w(x) E[1 / (w(x) + the weights of the P - 1 others)], with the expectation as an
    integral over u > 0 of exp(-u w(x)) phi(u)^(P - 1), phi(u) = E exp(-u w).
    """
    q = law(INNER, ListedDenoiser(process).exact, NUM_STEPS).flatten()
    w = (SCALE * REWARDS).exp().flatten()
    u = torch.linspace(-16, 4, 4001, dtype=torch.float64).exp()
    each = (-u[:, None] * w).exp()
    phi = each @ q
    found = count * q * w * torch.trapezoid(each * phi[:, None] ** (count - 1), u, dim=0)
    return found.reshape(REWARDS.shape)


def examine_token_particles(name: str, cls: type[ParticleSampler]) -> list[Finding]:
    """Hold particles, or value decoding, against the tilted law."""
    findings = []
    for process_name, process in PROCESSES.items():
        exact = {"value": soft_value(process)}
        cases: list[tuple[str, dict[str, Any], int, Tensor]] = []
        if issubclass(cls, ValueDecodingSampler):  # only by its exact value has it this law
            cases.append(("the exact value", exact, MANY, tilted(process)))
        else:
            each = {"ess_threshold": 1.0}
            cases += [
                ("weights alone", {"ess_threshold": 0.0}, 8, weighed_law(process, 8)),
                ("the likeliest tokens", each, MANY, tilted(process)),
                ("guesses", each | {"num_guesses": 2}, MANY, tilted(process)),
                ("the exact value", each | exact, MANY, tilted(process)),
            ]
        for what, settings, count, truth in cases:
            x = _draw(
                process, cls(reward, SCALE, count, sampler=INNER, **settings), NUM_SAMPLES // 2
            )
            found, limit = in_floors(x, truth)
            setting = f"{process_name}, {NUM_STEPS} steps, {count} particles, {what}"
            unit = "times the noise floor"
            findings.append(Finding(name, "samples", found, high=limit, setting=setting, unit=unit))
        findings += _same_findings(name, cls, process, process_name)
    return findings


def _same_findings(
    name: str, cls: type[ParticleSampler], process: TokenProcess, setting: str
) -> list[Finding]:
    one = _draw(process, cls(reward, SCALE, 1, sampler=INNER), 20) - _draw(process, INNER, 20)
    several = cls(reward, SCALE, 8, sampler=INNER)
    effect = _draw(process, several, [5, 3, 8, 0]) - _draw(process, several, 9)[[5, 3, 8, 0]]
    return [
        Finding(name, what, float(difference.abs().max()), 0, 0, setting=setting)
        for what, difference in (
            ("difference of one particle from its sampler alone", one),
            ("effect of the other rows of the batch", effect),
        )
    ]


def _draw(process: TokenProcess, sampler: Sampler, indices: int | Sequence[int]) -> Tensor:
    indices = range(indices) if isinstance(indices, int) else indices
    denoiser = ListedDenoiser(process)
    return sample(denoiser, (3,), indices=indices, sampler=sampler, num_steps=NUM_STEPS, seed=1)
