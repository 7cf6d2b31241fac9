"""Vectors against numpy."""

import math

import numpy as np
import pytest
import torch

from clarion.base.condition import VectorEntry
from clarion.base.errors import ClarionError, DataError

RNG = np.random.default_rng(0)
WEIGHT, HEIGHT = RNG.normal(70, 12, 40), RNG.lognormal(0, 0.3, 40)


def test_mean_and_deviation_are_those_of_the_values_that_are_used_and_present(read):
    """A vector is there where all of its parts are."""
    weight, height = WEIGHT.tolist(), HEIGHT.tolist()
    weight[3], weight[7], height[7], height[30] = None, math.nan, None, None
    positions = [i for i in range(40) if i % 5]
    column = read("body=vector:weight+height,units=kg+m", positions, weight=weight, height=height)
    used = [i for i in positions if i not in (3, 7, 30)]
    table = np.stack([WEIGHT[used], HEIGHT[used]], 1)
    entry = column.entry
    np.testing.assert_allclose(entry.mean, table.mean(0), rtol=1e-14)
    np.testing.assert_allclose(entry.std, table.std(0), rtol=1e-13)
    assert (entry.names, entry.units) == (("weight", "height"), ("kg", "m"))
    assert column.present.tolist() == [i not in (3, 7, 30) for i in positions]
    order = torch.tensor([4, 0, 31, 11, 11])
    rows = [positions[i] for i in order]
    expected = (np.stack([WEIGHT[rows], HEIGHT[rows]], 1) - table.mean(0)) / table.std(0)
    known = column.present[order].numpy()
    assert known.tolist() == [True, True, True, True, True]
    # Tolerance: float32 numbers of up to 110, of which 70 are taken away, over 12.
    np.testing.assert_allclose(column.batch(order).numpy(), expected, atol=2e-6)
    assert not column.batch(torch.tensor([positions.index(3)])).any()
    (first, second) = column.summary["parts"]
    assert (first["name"], first["unit"], first["low"]) == ("weight", "kg", WEIGHT[used].min())
    assert (second["high"], second["mean"]) == (HEIGHT[used].max(), entry.mean[1])


@pytest.mark.parametrize(
    "cells", [[1, 2, 3], ["1", " 2", "3.0"], [[1.0], [2], [3]], [1.0, np.float64(2), 3]]
)
def test_one_number_by_whatever_type(read, cells):
    column = read("it=vector", it=cells)
    assert column.entry == VectorEntry(1, mean=(2.0,), std=(math.sqrt(2 / 3),))
    torch.testing.assert_close(
        column.batch(torch.arange(3)), torch.tensor([[-1.0], [0.0], [1.0]]) * math.sqrt(1.5)
    )


def test_lists_and_numbers_that_never_vary(read):
    column = read("it=vector:units=m+m", it=[[1, 7], None, [3, 7], [None, 7]])
    assert column.entry == VectorEntry(2, units=("m", "m"), mean=(2.0, 7.0), std=(1.0, 1.0))
    assert column.present.tolist() == [True, False, True, False]
    assert column.batch(torch.arange(4)).tolist() == [[-1, 0], [0, 0], [1, 0], [0, 0]]


def test_other_data_are_measured_by_the_mean_and_deviation_of_the_training(read):
    entry = read("it=vector:units=kg", it=[1.0, 3.0]).entry
    column = read("it=vector", entry=entry, it=[None, 7.0])
    assert column.entry is entry
    assert column.batch(torch.arange(2)).tolist() == [[0.0], [5.0]]
    assert read("it=vector", entry=entry, it=[None]).summary["present"] == 0
    with pytest.raises(DataError, match="'it' has units lb here, and kg in the data to train on"):
        read("it=vector:units=lb", entry=entry, it=[1.0])


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([1, "heavy"], "row 1, column 'it': it must be a number, got 'heavy'"),
        ([1, "3,2"], "row 1, column 'it': it must be a number, got '3,2'"),
        ([1, math.inf], "row 1, column 'it': it must be finite, below 3.4.*, got inf"),
        ([1, 1e300], "row 1, column 'it': it must be finite"),
        ([1, {}], "row 1, column 'it': it must be a number"),
        ([[1, 2], None, [1, 2, 3]], "row 2, column 'it': it must be 2 numbers, got 3"),
        ([[], [1]], "row 0, column 'it': it must be finite, .*, got none"),
    ],
)
def test_what_is_no_number_is_named(read, cells, message):
    with pytest.raises(DataError, match=message):
        read("it=vector", it=cells)


def test_units_are_one_for_each(read):
    with pytest.raises(ClarionError, match=r"'it' has 2 numbers a row, but units kg"):
        read("it=vector:units=kg", it=[[1, 2]])
