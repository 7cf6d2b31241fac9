"""What `clarion sample` is told of the data in files: a part that is known, or a measurement."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from clarion.base.errors import ClarionError
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


def inpainting(domain: Domain, channels: int, picture: Path, mask: Path) -> Guidance:
    """Paint anew what is white in the mask, and keep the rest of the picture.

    Raises:
        ClarionError: if a file cannot be read.
    """
    is_known = (domain.read(mask, 1) < HALF).float()
    return Inpaint(domain.read(picture, channels), is_known)


def measurement(
    domain: Domain, channels: int, operator: str, file: Path, sigma_y: float, method: str
) -> Guidance:
    """Draw what would give a measurement.

    Args:
        domain: the kind of data.
        channels: of a sample.
        operator: as it is typed, "blur:sigma=2"; a mask is a file, "mask:FILE", white where the
            data is shown, and so is a function, "function:FILE.py#FUNCTION".
        file: what was measured.
        sigma_y: standard deviation of its noise, in data units.
        method: a name in `MEASURED`.

    Raises:
        ClarionError: if a file cannot be read, or for an unknown name.
    """

    def read_mask(name: str) -> Tensor:
        return (domain.read(Path(name), 1) >= HALF).float()

    rule = MEASURED[method]
    A = parse_kind(Operator, operator, {Tensor: read_mask, OperatorFunction: load_function})
    try:
        return rule(domain.read(file, channels), A, sigma_y)
    except ClarionError as error:
        raise ClarionError(f"{file}: {error}") from None
