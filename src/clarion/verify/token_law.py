"""The exact law of what a token sampler draws, by propagation over all sequences.

A chain of three tokens and three positions has 27 sequences, and 64 with masks: a sampler's move is
a matrix over them, and its law is the product of its moves.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator
from itertools import product

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import TokenDistribution, markov_chain, total_variation
from clarion.process.grids import Trailing
from clarion.process.tokens import Masking, TokenProcess, Uniform
from clarion.sample.tokens.sampler import TokenSampler, TokenStage
from clarion.verify.scores import DEVIATIONS_ALLOWED

CHAIN = markov_chain([0.5, 0.3, 0.2], [[0.8, 0.1, 0.1], [0.1, 0.6, 0.3], [0.3, 0.3, 0.4]], 3)
OTHER = markov_chain([0.2, 0.2, 0.6], [[0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], 3)
CLASSES, WEIGHTS = (CHAIN, OTHER), (0.3, 0.7)
"""p(x0 | label) and p(label)."""

PROCESSES: dict[str, TokenProcess] = {"masks": Masking(3), "uniform": Uniform(3)}

NUM_EXACT_SETS = 32


def noisy_sequences(process: TokenProcess) -> Tensor:
    """All x_t, (num_states ** length, length)."""
    states = range(process.num_states)
    return torch.tensor(list(product(states, repeat=CHAIN.length)))


def start(process: TokenProcess) -> Tensor:
    """Their probabilities at t = 1, written down without the process: all masks, or all alike."""
    x = noisy_sequences(process)
    is_noise = (x == process.vocabulary).all(1) if isinstance(process, Masking) else x[:, 0] >= 0
    return is_noise.double() / is_noise.sum()


def moves(
    sampler: TokenSampler, denoiser: Denoiser, num_steps: int, condition: Condition | None = None
) -> Iterator[tuple[TokenStage, TokenEstimate, Tensor]]:
    """Of each stage: what the denoiser says of all x_t, and p(x_s | x_t) as a matrix over them."""
    process = denoiser.process
    x = noisy_sequences(process)
    for stage in sampler.plan(process, Trailing()(process, num_steps)).stages:
        t = torch.full((len(x),), stage.t, dtype=torch.float64)
        estimate = denoiser(x, t, condition)
        assert isinstance(estimate, TokenEstimate), "a token process has token estimates"
        places = sampler.tilted(sampler.transition(stage, x, estimate), estimate)
        yield stage, estimate, torch.einsum("xi,xj,xk->xijk", *places.unbind(1)).flatten(1)


def law(
    sampler: TokenSampler, denoiser: Denoiser, num_steps: int, condition: Condition | None = None
) -> Tensor:
    """Probabilities of all sequences that the sampler draws, (vocabulary,) * length."""
    p = start(denoiser.process)
    for _, _, move in moves(sampler, denoiser, num_steps, condition):
        p = p @ move
    return clean_part(p, denoiser.process)


def clean_part(values: Tensor, process: TokenProcess) -> Tensor:
    """Values of all x_t -> of those without a mask, (vocabulary,) * length."""
    table = values.reshape([process.num_states] * CHAIN.length)
    return table[(slice(process.vocabulary),) * CHAIN.length]


def distance(found: Tensor, truth: Tensor) -> float:
    """Total variation of two laws; what is lost to masks counts in full."""
    return float((found - truth).abs().sum() + (truth.sum() - found.sum()).abs()) / 2


def in_floors(x: Tensor, truth: Tensor, seed: int = 0) -> tuple[float, float]:
    """Total variation of samples (n, length) from a law, and its limit for exact ones, both over
    its mean for exact ones."""
    likely = truth.clamp(min=0)  # a faulty sampler may give probabilities below it
    target = TokenDistribution(likely / likely.sum())
    generator = torch.Generator().manual_seed(seed)
    floors = [total_variation(target.draw(len(x), generator), truth) for _ in range(NUM_EXACT_SETS)]
    floor = statistics.fmean(floors)
    if bool((x >= len(truth)).any()):  # a mask is left
        return math.inf, 1.0
    limit = 1 + DEVIATIONS_ALLOWED * statistics.stdev(floors) / floor
    return total_variation(x, truth) / floor, limit


class ListedDenoiser(Denoiser):
    """The exact denoiser of the chain for a sampler, at whose stops all samples have one time.

    It is asked about each of the few sequences once, and not about each sample.
    """

    def __init__(self, process: TokenProcess) -> None:
        super().__init__(process)
        self.exact, self.x = TableDenoiser(process, CHAIN), noisy_sequences(process)

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> TokenEstimate:
        logits = self.exact(self.x, t[:1].double().expand(len(self.x)), None).logits
        places = self.process.num_states ** torch.arange(CHAIN.length - 1, -1, -1)
        return TokenEstimate(logits[(x_t * places).sum(1)])
