"""A sampler of tokens, anyone's, held against chains of which every sequence can be listed."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor

from clarion.base.chart import Chart, Series
from clarion.base.names import NameTable
from clarion.base.options import check_whole
from clarion.base.streams import mix_seed
from clarion.denoise.exact.tokens import (
    TokenDistribution,
    hidden_markov_model,
    markov_chain,
    total_variation,
)
from clarion.verify.doctor.foreign import ForeignError, call, check_callable, name_of, tensor
from clarion.verify.finding import Finding
from clarion.verify.report import Report
from clarion.verify.scores import DEVIATIONS_ALLOWED

Conditional: TypeAlias = Callable[[Tensor], Tensor]
"""Tokens (n, length), -1 for masked -> p(x_i | visible tokens), (n, length, vocabulary)."""

TokenSampler: TypeAlias = Callable[[Conditional, int, int], Any]
"""(conditional, n, length) -> tokens (n, length)."""

NUM_EXACT_SETS = 32
FEWEST = 100
"""Samples from which a distance has a noise floor worth the name."""

NUM_SHOWN = 12
SINGLE, PAIR, WHOLE = "single tokens", "pairs of neighbours", "whole sequences"
TEXT = """\
The conditionals are exact, so what is wrong is wrong with the sampler. Single tokens off: the
probabilities are changed, as a temperature does. Single tokens right and pairs off: tokens are
drawn together that depend on each other. The noise floor is the mean of the same distance over
sets of {n} exact samples.
"""


@dataclass(frozen=True, eq=False)
class TokenTarget:
    """A distribution of sequences under a name."""

    name: str
    what: str
    distribution: TokenDistribution


STICKY = [[0.85, 0.1, 0.05], [0.05, 0.9, 0.05], [0.3, 0.1, 0.6]]
FICKLE = [[0.04 if i == j else 0.32 for j in range(4)] for i in range(4)]
BLURRED = [[0.8, 0.1, 0.1], [0.15, 0.7, 0.15], [0.2, 0.2, 0.6]]

TOKEN_TARGETS: NameTable[TokenTarget] = NameTable(
    "token target",
    {
        target.name: target
        for target in (
            TokenTarget(
                "markov_chain",
                "three tokens that tend to repeat, length 5",
                markov_chain([0.6, 0.3, 0.1], STICKY, 5),
            ),
            TokenTarget(
                "hidden_markov_model",
                "p(x | y) of a hidden chain, seen blurred as 0 1 0 2 2",
                hidden_markov_model([0.6, 0.3, 0.1], STICKY, BLURRED, 5).posterior(
                    torch.tensor([0, 1, 0, 2, 2])
                ),
            ),
            TokenTarget(
                "few_repeats",
                "a token rarely follows itself: drawn together, neighbours clash",
                markov_chain([0.25] * 4, FICKLE, 4),
            ),
        )
    },
)
"""Name -> distribution of tokens."""


def check_token_sampler(
    fn: TokenSampler, *, name: str | None = None, n: int = 4096, seed: int = 0
) -> Report:
    """Examine a sampler of masked tokens.

    Args:
        fn: called with (conditional, n, length) and returns tokens (n, length) of whole numbers.
            `conditional` takes tokens (n, length) with -1 where they are masked, and returns the
            probabilities of every token at every position given the visible ones,
            (n, length, vocabulary) in float64. It starts from all masked.
        name: what the report calls it; by default the function's own name.
        n: number of samples, at least 100.
        seed: of torch's random numbers, which are left as they were.

    Example:
        >>> def all_at_once(conditional, n, length):
        ...     masked = torch.full((n, length), -1)
        ...     return torch.distributions.Categorical(conditional(masked)).sample()
        >>> sorted({finding.what for finding in check_token_sampler(all_at_once).failures})
        ['pairs of neighbours', 'whole sequences']
    """
    check_callable(fn, "fn(conditional, n, length) -> tokens")
    check_whole("n", n, FEWEST)
    name = name or name_of(fn)
    findings: list[Finding] = []
    charts: list[Chart] = []
    for target in TOKEN_TARGETS.values():
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(seed)
            try:
                tokens = _draw(fn, target.distribution, n)
            except ForeignError as error:
                problem, nan = str(error), math.nan
                findings.append(Finding(name, "samples", nan, setting=target.name, problem=problem))
            else:
                findings += judge_tokens(name, tokens, target)
                charts.append(_chart(name, tokens, target))
    return Report(name, findings, charts, TEXT.format(n=n))


def judge_tokens(subject: str, tokens: Tensor, target: TokenTarget) -> list[Finding]:
    """Total variation of single tokens, pairs and sequences (n, length) from the truth."""
    generator = torch.Generator().manual_seed(mix_seed("token floor", target.name, len(tokens)))
    exact = [target.distribution.draw(len(tokens), generator) for _ in range(NUM_EXACT_SETS)]
    findings = []
    for what, size in ((SINGLE, 1), (PAIR, 2), (WHOLE, target.distribution.length)):
        floors = [_distance(x, target.distribution, size) for x in exact]
        floor = statistics.fmean(floors)
        findings.append(
            Finding(
                subject,
                what,
                _distance(tokens, target.distribution, size) / floor,
                high=1 + DEVIATIONS_ALLOWED * statistics.stdev(floors) / floor,
                setting=target.name,
                unit="times the noise floor",
            )
        )
    return findings


def _distance(tokens: Tensor, distribution: TokenDistribution, size: int) -> float:
    """Mean over places of the total variation of `size` neighbouring tokens."""
    return statistics.fmean(
        total_variation(tokens[:, first : first + size], distribution.marginals(first, size))
        for first in range(distribution.length - size + 1)
    )


def _draw(fn: TokenSampler, distribution: TokenDistribution, n: int) -> Tensor:
    length, vocabulary = distribution.length, distribution.vocabulary
    tokens = tensor(call(fn, distribution.conditional, n, length), (n, length))
    if tokens.is_floating_point() or tokens.is_complex() or tokens.dtype == torch.bool:
        raise ForeignError(f"it returned {tokens.dtype}, not whole numbers")
    masked = int((tokens == -1).any(1).sum())
    if masked:
        raise ForeignError(f"it left masked tokens in {masked} of {n} sequences")
    if bool(((tokens < 0) | (tokens >= vocabulary)).any()):
        found = f"{int(tokens.min())} to {int(tokens.max())}"
        raise ForeignError(f"it returned tokens from {found}, where 0..{vocabulary - 1} exist")
    return tokens.long()


def _chart(name: str, tokens: Tensor, target: TokenTarget) -> Chart:
    """The likeliest sequences, and how often they came."""
    distribution = target.distribution
    top = distribution.probabilities.flatten().topk(NUM_SHOWN)
    words = ["".join(map(str, row)) for row in distribution.sequences[top.indices].tolist()]
    came = [
        float((tokens == sequence).all(1).double().mean())
        for sequence in distribution.sequences[top.indices]
    ]
    error = [2 * math.sqrt(p * (1 - p) / len(tokens)) for p in top.values.tolist()]
    return Chart(
        f"{name}: the likeliest sequences of {target.name}",
        "sequence of tokens",
        "probability",
        [
            Series("exact (bar: 2 deviations)", words, top.values.tolist(), "predicted", 5, error),
            Series("observed", words, came),
        ],
    )
