"""The order of the data: a function of seed and position alone."""

import pytest
import torch

from clarion.base.errors import DataError
from clarion.base.streams import mix_seed
from clarion.train.order import DataOrder, hold_out, pick_some

INDICES = torch.tensor([3, 1, 4, 10, 5, 9, 2])


def test_every_pass_is_a_permutation_of_its_own():
    order = DataOrder(INDICES, seed=0)
    passes = [order.take(7 * number, 7).tolist() for number in range(5)]
    assert all(sorted(p) == sorted(INDICES.tolist()) for p in passes)
    assert len({tuple(p) for p in passes}) == 5
    assert DataOrder(INDICES, seed=1).take(0, 7).tolist() != passes[0]


@pytest.mark.parametrize("count", [1, 3, 7, 20])
def test_batches_are_parts_of_one_endless_sequence(count):
    """In any order of asking, by any object: nothing is remembered that matters."""
    whole = DataOrder(INDICES, seed=0).take(0, 60)
    order = DataOrder(INDICES, seed=0)
    for position in (0, 33, 6, 7, 40, 5):
        expected = whole[position : position + count]
        assert torch.equal(order.take(position, count), expected)
        assert torch.equal(DataOrder(INDICES, seed=0).take(position, count), expected)


def test_no_examples():
    with pytest.raises(DataError, match="no examples to train on"):
        DataOrder(INDICES[:0], seed=0)


@pytest.mark.parametrize(
    ("n", "count", "held"), [(100, 5, 5), (100, 50, 10), (9, 5, 0), (20, 0, 0)]
)
def test_held_out_examples_are_others_and_always_the_same(n, count, held):
    chosen, kept_back = hold_out(n, count, seed=3)
    assert len(kept_back) == held
    assert sorted(chosen.tolist() + kept_back.tolist()) == list(range(n))
    again = hold_out(n, count, seed=3)
    assert torch.equal(chosen, again[0])
    assert torch.equal(kept_back, again[1])


@pytest.mark.parametrize(("n", "count", "seed"), [(1000, 20, 0), (57, 99, 1), (100, 10, 2)])
def test_examples_without_groups_are_held_out_one_by_one(n, count, seed):
    """The first of a shuffled order: what runs that are resumed have held out."""
    generator = torch.Generator().manual_seed(mix_seed(seed, "hold out"))
    order, held = torch.randperm(n, generator=generator), min(count, n // 10)
    for groups in (None, torch.arange(n)):
        chosen, kept_back = hold_out(n, count, seed, groups)
        assert torch.equal(chosen, order[held:].sort().values)
        assert torch.equal(kept_back, order[:held].sort().values)


def test_groups_are_held_out_as_a_whole():
    sizes = torch.randint(1, 9, (60,), generator=torch.Generator().manual_seed(0))
    groups = torch.arange(60).repeat_interleave(sizes)
    n = len(groups)
    for seed in range(20):
        chosen, kept_back = hold_out(n, 10, seed, groups)
        assert not set(groups[chosen].tolist()) & set(groups[kept_back].tolist())
        assert len(kept_back) == 10
        assert n - len(chosen) < 10 + 8  # no more groups than it takes
        assert torch.equal(hold_out(n, 10, seed, groups)[0], chosen)
    few = torch.tensor([0, 1, 2]).repeat_interleave(torch.tensor([40, 25, 35]))
    chosen, kept_back = hold_out(100, 10, 0, few)
    assert set(few[chosen].tolist()) == {0, 2}
    assert set(few[kept_back].tolist()) == {1}
    assert len(kept_back) == 10
    halves = torch.tensor([0, 1]).repeat_interleave(50)
    assert [len(part) for part in hold_out(100, 10, 0, halves)] == [100, 0]  # more than a tenth


def test_held_out_examples_are_drawn_at_random():
    assert hold_out(1000, 20, 0)[1].tolist() != hold_out(1000, 20, 1)[1].tolist()
    assert hold_out(1000, 20, 0)[1].max() > 500


@pytest.mark.parametrize(("n", "count", "expected"), [(100, 30, 30), (20, 30, 20), (5, 0, 0)])
def test_some_are_picked_at_random(n, count, expected):
    picked = pick_some(n, count, seed=3).tolist()
    assert len(set(picked)) == len(picked) == expected
    assert picked == sorted(picked) == pick_some(n, count, seed=3).tolist()
    assert set(picked) <= set(range(n))
    if expected == 30:
        assert max(picked) > 50
