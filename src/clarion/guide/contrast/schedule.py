"""Shapes of the guidance scale over time.

w(t) = 1 + (guidance_scale - 1) shape(t)

Each shape has the mean 1 over [0, 1], so that a schedule steers as much in all as the constant one
of the same scale. `linear` and `cosine` steer more the less noise is left, the other two the more.

Departure from the paper: its time counts the steps of a VP process, here it is the t of whatever
process there is.

Source: Wang et al. 2024, arXiv 2404.13040, whose weight is guidance_scale - 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Literal, TypeAlias

import torch
from torch import Tensor

Schedule: TypeAlias = Literal["constant", "linear", "cosine", "inverse_linear", "sine"]

SHAPES: Mapping[str, Callable[[Tensor], Tensor]] = {
    "constant": torch.ones_like,
    "linear": lambda t: 2 * (1 - t),
    "cosine": lambda t: 1 + torch.cos(math.pi * t),
    "inverse_linear": lambda t: 2 * t,
    "sine": lambda t: 1 - torch.cos(math.pi * t),
}
"""Name -> shape(t), 0 or above, with mean 1 over [0, 1]."""
