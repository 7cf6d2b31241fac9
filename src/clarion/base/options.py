"""Checks on the options of samplers and rules, made when one is built."""

from __future__ import annotations

import math
from collections.abc import Sequence
from numbers import Integral, Real

from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


def check_number(
    name: str,
    value: float,
    low: float = -math.inf,
    high: float = math.inf,
    *,
    excludes_low: bool = False,
) -> None:
    """Refuse what is not a number in [low, high]; infinite ends allow any finite number.

    Raises:
        ClarionError: naming the option, the value and what is allowed.
    """
    is_number = isinstance(value, Real) and not isinstance(value, bool)
    is_within = is_number and low <= value <= high and not math.isinf(value)
    if not is_within or (excludes_low and value == low):
        if math.isinf(low):
            allowed = ""
        elif excludes_low:
            allowed = f" above {low:g}" + ("" if math.isinf(high) else f" and at most {high:g}")
        else:
            allowed = f" at least {low:g}" if math.isinf(high) else f" in [{low:g}, {high:g}]"
        raise ClarionError(f"{name} must be a finite number{allowed}, got {value!r}.")


def check_whole(name: str, value: int, low: int, high: float = math.inf) -> None:
    """Refuse what is not a whole number in low..high.

    Raises:
        ClarionError: naming the option, the value and what is allowed.
    """
    is_whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        allowed = f"at least {low}" if math.isinf(high) else f"in {low}..{int(high)}"
        raise ClarionError(f"{name} must be a whole number, {allowed}, got {value!r}.")


def check_tensor(name: str, value: Tensor) -> None:
    """Refuse what is no tensor.

    Raises:
        ClarionError: naming the option and the value.
    """
    if not isinstance(value, Tensor):
        raise ClarionError(f"{name} must be a tensor, got {value!r}; torch.as_tensor makes one.")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse what is not one of the choices.

    Raises:
        ClarionError: naming the option, the value and the nearest choice.
    """
    if value not in choices:
        raise ClarionError(describe_unknown(name, value, list(choices)))
