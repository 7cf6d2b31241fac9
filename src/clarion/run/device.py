"""Where a command computes."""

from __future__ import annotations

from typing import Literal

import torch

from clarion.base.errors import ClarionError

Device = Literal["cpu", "cuda"]


def choose_device(name: Literal["auto", "cpu", "cuda"]) -> Device:
    """ "auto" is the accelerator where there is one.

    Raises:
        ClarionError: if an accelerator is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ClarionError("device is cuda, but torch finds no CUDA device here; use cpu.")
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return name
