"""What `clarion sample` is told of the data in files: a part that is known, or a measurement."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.tables import Domain
from clarion.guide.inpaint import Inpaint
from clarion.guide.measurement import MEASURED
from clarion.guide.measurement.operator import Operator
from clarion.guide.measurement.operators import OperatorFunction
from clarion.guide.rule import Guidance
from clarion.run.serialize import parse_kind
from clarion.run.steering import load_function

HALF = 0.5
"""Grey level from which a mask counts as white."""

FAR = 2.0
"""How many times what white gives a measurement may hold, beside its noise."""


def read_sized(domain: Domain, file: Path | str, shape: tuple[int, ...]) -> Tensor:
    """What a file holds, of exactly this shape.

    Raises:
        ClarionError: if it cannot be read, or has another shape.
    """
    read = domain.read(Path(file), shape[0])
    if read.shape != shape:
        raise DataError(
            f"{file} must have shape {shape} for samples of this model, got {tuple(read.shape)}."
        )
    return read


def inpainting(domain: Domain, shape: tuple[int, ...], picture: str, mask: str) -> Guidance:
    """Paint anew what is white in the mask, and keep the rest of the picture.

    Args:
        domain: the kind of data.
        shape: of a sample; the mask has one channel.
        picture, mask: files.

    Raises:
        ClarionError: if a file cannot be read, or does not have the size of a sample.
    """
    is_known = (read_sized(domain, mask, (1, *shape[1:])) < HALF).float()
    return Inpaint(read_sized(domain, picture, shape), is_known)


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
        return (read_sized(domain, name, (1, *shape[1:])) >= HALF).float()

    rule = MEASURED[method]
    A = parse_kind(Operator, operator, {Tensor: read_mask, OperatorFunction: load_function})
    y = domain.read(Path(file), shape[0])
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
