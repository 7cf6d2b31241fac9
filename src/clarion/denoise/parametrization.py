"""What a network may be asked to predict, and the way back to the clean data.

Each prediction y is an affine function of clean and noisy data, so it is stated by two numbers:

    x0 = skip x_t + out y        and so        y = (x0 - skip x_t) / out.

With x_t = alpha x0 + sigma noise, noise level s = sigma / alpha and the data's own deviation d:

    prediction  y                       skip                       out
    x0          x0                      0                          1
    noise       noise                   1 / alpha                  -sigma / alpha
    v           alpha noise - sigma x0  alpha / (alpha² + sigma²)  -sigma / (alpha² + sigma²)
    flow        noise - x0              1 / (alpha + sigma)        -sigma / (alpha + sigma)
    score       -noise / sigma          1 / alpha                  sigma² / alpha
    edm         y of unit variance      d² / (s² + d²) / alpha     s d / sqrt(s² + d²)

Sources: Ho et al. 2020, arXiv 2006.11239 (noise); Salimans & Ho 2022, arXiv 2202.00512, appendix D
(v); Liu et al. 2022, arXiv 2209.03003 (flow: the velocity of the straight path, whatever the
process); Karras et al. 2022, arXiv 2206.00364, table 1 (edm).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.names import NameTable
from clarion.base.shapes import expand_like

Coefficients: TypeAlias = tuple[Tensor, Tensor]
"""skip and out, each (batch,)."""

PARAMETRIZATIONS: NameTable[Callable[[Tensor, Tensor, float], Coefficients]] = NameTable(
    "prediction type",
    {
        "x0": lambda a, s, d: (torch.zeros_like(a), torch.ones_like(a)),
        "noise": lambda a, s, d: (1 / a, -s / a),
        "v": lambda a, s, d: (a / (a**2 + s**2), -s / (a**2 + s**2)),
        "flow": lambda a, s, d: (1 / (a + s), -s / (a + s)),
        "score": lambda a, s, d: (1 / a, s**2 / a),
        "edm": lambda a, s, d: (
            a * d**2 / (s**2 + (a * d) ** 2),
            s * d / torch.sqrt(s**2 + (a * d) ** 2),
        ),
    },
)
"""Name -> (alpha, sigma, sigma_data) -> (skip, out)."""


def to_x0(prediction: Tensor, x_t: Tensor, coefficients: Coefficients) -> Tensor:
    """x0 = skip x_t + out y, for a prediction y of shape (batch, *shape)."""
    skip, out = (expand_like(c, x_t) for c in coefficients)
    return torch.addcmul(skip * x_t, out, prediction)


def from_x0(x0: Tensor, x_t: Tensor, coefficients: Coefficients) -> Tensor:
    """y = (x0 - skip x_t) / out: what a network would have to predict."""
    skip, out = (expand_like(c, x_t) for c in coefficients)
    return (x0 - skip * x_t) / out
