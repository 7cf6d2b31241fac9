"""A sample's random numbers belong to it alone."""

import math

import pytest
import torch

from clarion.base.streams import SampleStreams, mix_seed

# Below 16 numbers torch draws one by one, above in blocks: both must keep rows apart.
SHAPES = [(), (1,), (3,), (15,), (16,), (3, 7, 5), (1, 28, 28)]


@pytest.mark.parametrize("shape", SHAPES)
def test_a_row_is_the_same_in_any_batch(shape):
    batch = SampleStreams(5, range(20))
    first, second = batch.normal(shape), batch.normal(shape)
    alone = SampleStreams(5, [17])
    assert torch.equal(alone.normal(shape)[0], first[17])
    assert torch.equal(alone.normal(shape)[0], second[17])
    reordered = SampleStreams(5, [3, 17, 0]).normal(shape)
    assert torch.equal(reordered, first[[3, 17, 0]])
    assert not torch.equal(first, second)


def test_rows_and_seeds_differ():
    noise = SampleStreams(5, range(50)).normal((4,))
    assert len({tuple(row.tolist()) for row in noise}) == 50
    assert not torch.equal(noise, SampleStreams(6, range(50)).normal((4,)))


def test_the_global_generator_neither_matters_nor_moves():
    state = torch.manual_seed(0).get_state()
    noise = SampleStreams(1, [0]).normal((5,))
    assert torch.equal(torch.get_rng_state(), state)
    torch.manual_seed(99)
    assert torch.equal(SampleStreams(1, [0]).normal((5,)), noise)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16, torch.float16])
def test_another_type_is_the_same_draw_converted(dtype):
    single = SampleStreams(2, range(4)).normal((6,))
    other = SampleStreams(2, range(4)).normal((6,), dtype=dtype)
    assert other.dtype == dtype
    assert torch.equal(other, single.to(dtype))


def test_another_device_is_the_same_draw_moved():
    noise = SampleStreams(2, range(4)).normal((6,), device="meta")
    assert noise.device.type == "meta"
    assert noise.shape == (4, 6)


def test_length_and_no_rows():
    assert len(SampleStreams(0, [4, 9])) == 2
    assert SampleStreams(0, []).normal((3,)).shape == (0, 3)


def test_the_numbers_are_standard_normal():
    """200 000 numbers of a fixed seed: moments within 5 standard errors of 0, 1, 0, 3."""
    noise = SampleStreams(3, range(200)).normal((1000,)).double()
    for power, moment, variance in ((1, 0, 1), (2, 1, 2), (3, 0, 15), (4, 3, 96)):
        error = abs(float((noise**power).mean()) - moment)
        assert error < 5 * math.sqrt(variance / noise.numel())
    # Neighbouring streams are not correlated.
    correlation = float((noise[1:] * noise[:-1]).mean())
    assert abs(correlation) < 5 / math.sqrt(noise[1:].numel())


def test_mixed_seeds_stay_fixed_and_apart():
    """The number pins the streams: a change would silently change everyone's samples."""
    assert mix_seed(5, 17) == 4166466130800243428
    seeds = {mix_seed(a, b) for a in range(40) for b in range(40)}
    assert len(seeds) == 1600
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_uniform_numbers_belong_to_their_row():
    batch = SampleStreams(5, range(20)).uniform((3,))
    assert torch.equal(SampleStreams(5, [17]).uniform((3,))[0], batch[17])
    numbers = SampleStreams(3, range(20)).uniform((10000,), dtype=torch.float64)
    assert 0 <= numbers.min() <= numbers.max() < 1
    # Of 200 000 numbers: mean and mean square within 5 standard errors of 1/2 and 1/3.
    error = 5 / math.sqrt(200_000)
    assert abs(float(numbers.mean()) - 1 / 2) < error * math.sqrt(1 / 12)
    assert abs(float(numbers.square().mean()) - 1 / 3) < error * math.sqrt(4 / 45)
