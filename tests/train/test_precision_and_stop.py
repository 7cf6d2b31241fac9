"""Choosing a number format by the clock; stopping on request."""

import os
import signal
import time

import pytest
import torch

from clarion.train import precision
from clarion.train.precision import faster_precision
from clarion.train.stop import StopRequest

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [({None: 2.0, torch.bfloat16: 1.0}, "bfloat16"), ({None: 1.0, torch.bfloat16: 2.0}, "float32")],
)
def test_the_faster_of_two_is_chosen(monkeypatch, seconds, expected):
    """By a clock of our own; the first run of each, which sets up, costs ten times as much."""
    now, calls = [0.0], []

    def step(dtype):
        now[0] += seconds[dtype] * (1 if dtype in calls else 10)
        calls.append(dtype)

    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    chosen, measured = faster_precision(step, CPU, repeats=2)
    assert chosen == expected
    assert measured == {"float32": seconds[None], "bfloat16": seconds[torch.bfloat16]}
    assert calls == [None] * 3 + [torch.bfloat16] * 3


def test_the_clock_is_a_real_one():
    chosen, _ = faster_precision(lambda dtype: time.sleep(0.001 if dtype else 0.02), CPU)
    assert chosen == "bfloat16"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_asks_and_the_second_interrupts(number):
    before = signal.getsignal(number)
    with StopRequest() as stop:
        assert not stop.is_set
        os.kill(os.getpid(), number)
        assert stop.is_set
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), number)
    assert signal.getsignal(number) is before
