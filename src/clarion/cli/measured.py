"""What `clarion sample` is told of a measurement."""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.image.one_picture import HALF
from clarion.domains.tables import Domain
from clarion.guide.measurement import MEASURED
from clarion.guide.measurement.operator import Operator
from clarion.guide.measurement.operators import OperatorFunction
from clarion.guide.rule import Guidance
from clarion.run.serialize import parse_kind
from clarion.run.steering import load_function

FAR = 2.0
"""How many times what white gives a measurement may hold, beside its noise."""


def measurement(
    domain: Domain, shape: tuple[int, ...], operator: str, file: str, sigma_y: float, method: str
) -> Guidance:
    """Draw what would give a measurement.

    Args:
        domain: the kind of data.
        shape: of a sample.
        operator: as it is typed, "blur:sigma=2"; a mask is a file, "mask:FILE", white where the
            data is shown, and so is a function, "function:FILE.py#FUNCTION".
        file: what was measured.
        sigma_y: standard deviation of its noise, in data units.
        method: a name in `MEASURED`.

    Raises:
        ClarionError: if a file cannot be read, for an unknown name, or for values that no picture
            can have given: what a linear operator makes of white is taken for the most it makes.
    """

    def read_mask(name: str) -> Tensor:
        return (domain.read(name, 1, shape[1:]) >= HALF).float()

    rule = MEASURED[method]
    A = parse_kind(Operator, operator, {Tensor: read_mask, OperatorFunction: load_function})
    y = domain.read(file, shape[0])
    steering = rule(y, A, sigma_y)
    largest, most = _reach(y, A, shape)
    if largest > FAR * most + 10 * sigma_y:
        raise DataError(
            f"{file} holds values as far from 0 as {largest:g}, and {operator} makes at most "
            f"{most:g} of pictures of 0 black to 1 white; divide levels of 0 to 255 by 255."
        )
    return steering


def _reach(y: Tensor, A: Operator, shape: tuple[int, ...]) -> tuple[float, float]:
    """How far from 0 a measurement goes, and how far what a linear operator makes of white."""
    if not A.is_linear:
        return 0.0, 0.0
    white = A(torch.ones(1, *shape))[0]
    if white.shape != y.shape:  # refused when the rule is bound
        return 0.0, 0.0
    return float(A.project(y).abs().max()), float(white.abs().max())
