"""Which number format trains faster here: measured, not guessed."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def faster_precision(
    step: Callable[[torch.dtype | None], None], device: torch.device, repeats: int = 3
) -> tuple[str, dict[str, float]]:
    """Time a training step in float32 and under bfloat16 autocast.

    Args:
        step: runs one forward and backward pass under autocast to this type, or without.
        device: where it runs.
        repeats: counted runs of each; the best one is compared.

    Returns:
        "float32" or "bfloat16", and the seconds a step of each.
    """
    seconds = {}
    for name, dtype in (("float32", None), ("bfloat16", torch.bfloat16)):
        step(dtype)  # the first run allocates and, on some devices, compiles
        runs = []
        for _ in range(repeats):
            _wait(device)
            start = time.perf_counter()
            step(dtype)
            _wait(device)
            runs.append(time.perf_counter() - start)
        seconds[name] = min(runs)
    return min(seconds, key=seconds.__getitem__), seconds


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
