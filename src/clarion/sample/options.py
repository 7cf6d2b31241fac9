"""Checks on the options of samplers, made when a sampler is built."""

from __future__ import annotations

import math
from collections.abc import Sequence

from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


def check_number(name: str, value: float, low: float, high: float = math.inf) -> None:
    """Refuse what is not a number in [low, high]; a `high` of infinity allows any finite number.

    Raises:
        ClarionError: naming the option, the value and what is allowed.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value <= high or math.isinf(value):
        allowed = f"at least {low:g}" if math.isinf(high) else f"in [{low:g}, {high:g}]"
        raise ClarionError(f"{name} must be a finite number {allowed}, got {value!r}.")


def check_whole(name: str, value: int, low: int, high: float = math.inf) -> None:
    """Refuse what is not a whole number in low..high.

    Raises:
        ClarionError: naming the option, the value and what is allowed.
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or not low <= value <= high:
        allowed = f"at least {low}" if math.isinf(high) else f"in {low}..{int(high)}"
        raise ClarionError(f"{name} must be a whole number, {allowed}, got {value!r}.")


def check_choice(name: str, value: str, choices: Sequence[str]) -> None:
    """Refuse what is not one of the choices.

    Raises:
        ClarionError: naming the option, the value and the nearest choice.
    """
    if value not in choices:
        raise ClarionError(describe_unknown(name, value, list(choices)))
