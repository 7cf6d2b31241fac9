"""Where a command computes."""

from __future__ import annotations

import torch

from clarion.base.errors import ClarionError


def choose_device(name: str) -> str:
    """ "auto" is the accelerator where there is one.

    Raises:
        ClarionError: if an accelerator is asked for and there is none.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise ClarionError("device is cuda, but torch finds no CUDA device here; use cpu.")
    return ("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name
