"""The audit finds planted copies, and says nothing of what has none."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.evaluate.memory import Audit, MemoryAudit, tail

DIM = 6


def draw(n: int, seed: int, spread: float = 1.0) -> Tensor:
    return spread * torch.randn(n, DIM, generator=torch.Generator().manual_seed(seed))


def audit(samples: Tensor, training: Tensor, held_out: Tensor) -> Audit:
    of = MemoryAudit(samples)
    for part in training.split(300):
        of.show_training(part)
    of.show_held_out(held_out)
    return of.result()


def p_value(samples: Tensor, training: Tensor, held_out: Tensor) -> float:
    return audit(samples, training, held_out).metrics["memorisation p"].value


def test_the_tail_against_all_draws() -> None:
    draws = [sum(c < 4 for c in drawn) for drawn in combinations(range(10), 5)]
    for hits in range(6):
        expected = np.mean([h >= hits for h in draws])
        assert tail(10, 4, 5, hits) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("spread", [1.0, 0.5, 1.5])
def test_it_is_silent_where_nothing_was_copied(spread: float) -> None:
    """Over 100 splits of the same examples; of a model that is blurred or too wide as well."""
    samples, examples = draw(500, 0, spread), draw(1000, 1)
    examples[:100] = examples[100:200]  # near-duplicates in the data are no fault of the model
    found = []
    for seed in range(100):
        order = torch.randperm(1000, generator=torch.Generator().manual_seed(seed))
        found.append(p_value(samples, examples[order[:500]], examples[order[500:]]))
    assert np.mean([p < 0.05 for p in found]) <= 0.1  # at most 5 % are expected, 2.2 % the error


@pytest.mark.parametrize("held_out", [2000, 1000])
@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_it_finds_one_copy_in_a_hundred(noise: float, held_out: int) -> None:
    training, samples = draw(2000, 1), draw(2000, 0)
    samples[1500:1520] = training[700:720] + draw(20, 5, noise)
    found = audit(samples, training, draw(held_out, 2))
    assert found.metrics["memorisation p"].value < (0.001 if held_out == 2000 else 0.05)
    listed = {(pair.sample, pair.example) for pair in found.pairs}
    copies = {(1500 + i, 700 + i) for i in range(20)}
    assert len(copies & listed) >= 18


def test_samples_that_all_stand_at_one_place_count_once() -> None:
    training, held_out = draw(300, 1), draw(300, 2)
    samples = training[7] + draw(200, 3, 1e-3)
    found = audit(samples, training, held_out).metrics
    assert found["memorisation p"].value > 0.4
    nearer = found["nearer to training"]
    assert nearer.value == 1
    assert nearer.low is not None
    assert nearer.low < 0.5


def test_the_share_that_is_nearer_by_chance() -> None:
    inside = 0
    for seed in range(60):
        examples = draw(300, seed)
        found = audit(draw(200, 1000 + seed), examples[:200], examples[200:])
        nearer = found.metrics["nearer to training"]
        assert nearer.note == "0.6667 by chance"
        assert nearer.low is not None
        assert nearer.high is not None
        inside += nearer.low <= 2 / 3 <= nearer.high
    assert 52 <= inside <= 60


def test_of_equals_one_is_drawn() -> None:
    examples = draw(400, 0)
    found = audit(examples, examples, examples)
    nearer = found.metrics["nearer to training"]
    assert 0.4 < nearer.value < 0.6
    assert found.metrics["memorisation p"].value > 0.05


def test_too_few_examples() -> None:
    of = MemoryAudit(draw(10, 0))
    of.show_training(draw(10, 1))
    with pytest.raises(ClarionError, match="got 10 and 0"):
        of.result()
    of.show_held_out(draw(10, 2))
    with pytest.raises(ClarionError, match="before held-out ones"):
        of.show_training(draw(10, 1))
