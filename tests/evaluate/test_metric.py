"""Intervals against their defining equations, and the card."""

from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
from rich.console import Console

from clarion.base.errors import ClarionError
from clarion.evaluate.metric import Metric, MetricCard, Z, mean, share


@pytest.mark.parametrize(("count", "n"), [(1, 2), (9, 10), (3, 1000), (512, 1024)])
def test_the_ends_of_a_share_are_where_its_score_test_is_at_its_quantile(count, n):
    # Wilson: the p for which |count / n - p| = Z sqrt(p (1 - p) / n).
    metric = share(count, n)
    assert metric.low is not None
    assert metric.high is not None
    assert metric.low < metric.value < metric.high
    for p in (metric.low, metric.high):
        assert abs(metric.value - p) == pytest.approx(Z * math.sqrt(p * (1 - p) / n), rel=1e-9)


def test_none_and_all_have_intervals_too():
    none, all_ = share(0, 50), share(50, 50)
    assert (none.low, all_.high) == (0.0, 1.0)
    assert none.high == pytest.approx(Z**2 / (50 + Z**2))  # solves p = Z sqrt(p (1 - p) / n)
    assert all_.low == pytest.approx(1 - none.high)
    for count, n in ((0, 0), (3, 2), (-1, 2)):
        with pytest.raises(ClarionError, match=rf"share must be of at least 1, got {count} of {n}"):
            share(count, n)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    draws = np.random.default_rng(0).normal(3.0, 2.0, (4000, 100))
    inside = [m.low <= 3.0 <= m.high for m in map(mean, draws.tolist())]  # pyright: ignore
    # Student's t of 99 degrees lies beyond 1.96 in 5.3 % of cases; 4000 of them know it to 0.35 %.
    assert np.mean(inside) == pytest.approx(0.947, abs=0.012)
    assert mean([2.5]) == Metric(2.5, 1)
    with pytest.raises(ClarionError, match="at least 1 value, got 0"):
        mean([])


def test_a_card_is_printed_and_written():
    card = MetricCard("samples.csv", {"valid": share(9, 10), "fcd": Metric(0.5, 5000, note="low")})
    stream = io.StringIO()
    Console(file=stream, width=100).print(card)
    text = stream.getvalue()
    assert "samples.csv" in text
    assert text.splitlines()[2].split() == ["valid", "0.9", "[0.5958,", "0.9821]", "10"]
    assert text.splitlines()[3].split() == ["fcd", "0.5", "5,000", "low"]
    written = json.loads(json.dumps(card.to_json()))
    assert written["metrics"]["fcd"] == {
        "value": 0.5, "n": 5000, "low": None, "high": None, "note": "low", "parts": [],
    }  # fmt: skip
