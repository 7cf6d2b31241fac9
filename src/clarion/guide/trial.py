"""Functions that people bring themselves, tried on two random samples before any is drawn.

What is wrong with one of them would else show as a sample that is not finite, or not show at all.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.guide.rule import SampleSpace

OfSamples: TypeAlias = Callable[[Tensor, Condition | None], Tensor]
"""(batch, *shape) and the conditions -> (batch, ...), each sample by itself."""

ROUNDING = 1e-3
"""Share by which float32 values may differ between a row alone and the same row in a batch."""


def name_of(fn: Callable[..., Any]) -> str:
    """A function as it is typed, FILE.py#FUNCTION; of another thing that can be called, its kind.

    Example:
        >>> name_of(name_of)
        'trial.py#name_of'
    """
    inner = inspect.unwrap(fn)
    if not inspect.isfunction(inner):
        return getattr(inner, "__name__", type(inner).__name__)
    return f"{Path(inner.__code__.co_filename).name}#{inner.__name__}"


def probe(space: SampleSpace) -> tuple[Tensor, Condition | None]:
    """Two random samples in model units or tokens, and what is asked for of two."""
    generator = torch.Generator().manual_seed(0)
    x0 = space.random(2, generator)
    condition = space.condition
    if condition is not None:
        count = max((len(mask) for mask in condition.present.values()), default=1)
        condition = condition.rows(torch.tensor([0, min(1, count - 1)], device=space.device))
    return x0, condition


def try_values(what: str, fn: OfSamples, space: SampleSpace) -> Tensor:
    """What a function makes of two random samples, (2, ...).

    Args:
        what: the function, for messages: "reward own.py#bright".
        fn: of samples in model units.
        space: of the samples.

    Raises:
        ClarionError: if it fails, gives NaN or something else than a row for each sample, is
            random, or lets a sample depend on the other.
    """
    return try_values_at(what, fn, *probe(space))


def try_values_at(
    what: str, fn: OfSamples, x0: Tensor, condition: Condition | None = None
) -> Tensor:
    """What a function makes of two samples that are given; see `try_values`."""
    try:
        together, again = fn(x0, condition), fn(x0, condition)
        if not isinstance(together, Tensor) or together.shape[:1] != x0.shape[:1]:
            got = tuple(together.shape) if isinstance(together, Tensor) else kind_of(together)
            raise ClarionError(
                f"The {what} must give a tensor with a row for each of 2 samples, got {got}."
            )
        rows = [slice(i, i + 1) for i in range(2)]
        alone = torch.cat([fn(x0[i], condition.rows(i) if condition else None) for i in rows])
    except ClarionError:
        raise
    except Exception as error:
        raise ClarionError(
            f"The {what} fails on samples of shape {tuple(x0.shape[1:])}: {describe(error)}"
        ) from error
    together, again, alone = (values.detach().double() for values in (together, again, alone))
    if together.isnan().any():
        raise ClarionError(f"The {what} must give numbers, got NaN of a random sample.")
    if not _are_close(together, again):
        raise ClarionError(f"The {what} must not be random: it gives two results for one sample.")
    if not _are_close(together, alone):
        raise ClarionError(
            f"The {what} must not depend on the others of a sample's batch: two together give "
            f"other results than each alone."
        )
    return together


def try_gradient(what: str, fn: OfSamples, space: SampleSpace, otherwise: str) -> None:
    """See that a function has a finite gradient at two random samples.

    Args:
        what, fn, space: as for `try_values`.
        otherwise: a sentence on what to do where there is none.

    Raises:
        ClarionError: if it has none.
    """
    x0, condition = probe(space)
    slope = None
    try:
        with torch.enable_grad():
            total = fn(x0.requires_grad_(), condition).sum()
            if total.requires_grad:
                (slope,) = torch.autograd.grad(total, x0, allow_unused=True)
    except Exception as error:
        why = error.__cause__ if isinstance(error.__cause__, Exception) else error
        raise ClarionError(f"The {what} has no gradient: {describe(why)} {otherwise}") from error
    if slope is None:
        raise ClarionError(
            f"The {what} has no gradient: its results do not follow from the samples by "
            f"differentiable operations of torch. {otherwise}"
        )
    if not slope.isfinite().all():
        raise ClarionError(f"The gradient of the {what} is not finite. {otherwise}")


def _are_close(a: Tensor, b: Tensor) -> bool:
    """Whether values agree but for rounding; infinities must be the same."""
    if a.shape != b.shape:
        return False
    sizes = b.abs()[b.isfinite()]
    slack = 1e-6 + ROUNDING * (float(sizes.mean()) if len(sizes) else 0.0)
    return torch.allclose(a, b, rtol=ROUNDING, atol=slack)


def kind_of(value: object) -> str:
    """What somebody gave in place of a tensor: its type, and short values as they are.

    Example:
        >>> kind_of([1.0] * 100)
        'a list'
        >>> kind_of(None)
        'None'
    """
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    return f"a {type(value).__name__}"


def describe(error: Exception) -> str:
    """The kind of an error and its first line, as the end of a sentence."""
    first = str(error).strip().partition("\n")[0].rstrip(".")
    return f"{type(error).__name__}: {first}." if first else f"{type(error).__name__}."
