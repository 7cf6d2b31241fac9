"""The one loop that drives every sampler."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from inspect import signature
from typing import Any, TypeVar

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError, SamplingError
from clarion.base.names import NameTable
from clarion.base.options import check_whole
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.guide.rule import rules_round
from clarion.process.grids import Grid
from clarion.process.tables import GRIDS
from clarion.sample.sampler import Sampler
from clarion.sample.tables import default_sampler, samplers_of

T = TypeVar("T")

Callback = Callable[[int, int, Any], None]
"""Called after each evaluation with (evaluations done, evaluations in all, the estimate)."""


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    shape: Sequence[int],
    *,
    n: int | None = None,
    indices: Iterable[int] | None = None,
    condition: Condition | None = None,
    sampler: Sampler | str | None = None,
    grid: Grid | str = "trailing",
    num_steps: int | None = None,
    times: Tensor | None = None,
    start: Tensor | None = None,
    seed: int = 0,
    device: torch.device | str | None = None,
    dtype: torch.dtype = torch.float32,
    callback: Callback | None = None,
) -> Tensor:
    """Turn noise into one batch of data.

    A sample depends on the denoiser, the settings, the seed and its own number, and on nothing
    else. Nothing is clipped.

    Args:
        denoiser: the model, with its guidance round it.
        shape: of one sample.
        n: number of samples, then numbered from 0 ...
        indices: ... or the numbers themselves.
        condition: what is asked for, a row for each sample.
        sampler: a sampler, or a name in `samplers_of` the denoiser's process; None takes the
            `default_sampler` of the process.
        grid: where to stop on the way, or a name in `GRIDS`.
        num_steps: number of steps of that grid, at least 1; None likewise.
        times: falling times to be used instead of a grid; where they do not end in 0, the result is
            x_t at the last of them.
        start: x_t at the first of the times, (batch, *shape), to go on from; None for noise.
        seed: seed of the whole set of samples.
        device: where to compute; by default where the denoiser's parameters are.
        dtype: torch.float32 or torch.float64.
        callback: called after each evaluation with (evaluations done, in all, the estimate).

    Returns:
        Clean data (batch, *shape), in the units of the model.

    Raises:
        ClarionError: for a setting that cannot be used.
        SamplingError: if a result is not finite.
    """
    default, default_steps = default_sampler(denoiser.process)
    sampler = default if sampler is None else sampler
    sampler = _named(sampler, Sampler, samplers_of(denoiser.process)).following(denoiser)
    if times is None:
        num_steps = default_steps if num_steps is None else num_steps
        times = _named(grid, Grid, GRIDS)(denoiser.process, num_steps)
    if dtype not in (torch.float32, torch.float64):
        raise ClarionError(f"dtype must be torch.float32 or torch.float64, got {dtype}.")
    indices = sample_indices(n, indices)
    _check_rows(condition, len(indices))
    device = _device_of(denoiser) if device is None else device

    plan, count = sampler.plan(denoiser.process, times, dtype), sampler.num_particles
    streams = SampleStreams(seed, indices)
    like = torch.empty(len(indices), *shape, dtype=dtype, device=device)
    state = sampler.begin(plan, streams, like)
    if start is not None:
        if start.shape != like.shape:
            wanted, given = tuple(like.shape), tuple(start.shape)
            raise ClarionError(f"start must have shape {wanted}, got {given}.")
        state = (start.to(state[0]).repeat_interleave(count, dim=0), *state[1:])
    if condition is not None and count > 1:
        condition = condition.repeat(count)
    sampler = sampler.given(condition)
    asked = torch.tensor([stage.t for stage in plan.stages], dtype=dtype, device=device)
    asked = asked.unsqueeze(1).repeat(1, len(state[0])).unbind()
    memory: dict[Any, Any] = {}
    faults: dict[str, Tensor] = {}
    visits = [Visit(stage.t, stage.next_t, memory, faults) for stage in plan.stages]
    denoisers = [denoiser.at(visit) for visit in visits]

    for done, (stage, t, denoise) in enumerate(zip(plan.stages, asked, denoisers, strict=True), 1):
        x = state[0]
        estimate = denoise(x, t, condition)
        state = sampler.step(stage, state, estimate, sampler.draw(stage, streams, x))
        if callback is not None:
            callback(done, len(plan.stages), estimate)

    x0 = sampler.finish(state, streams)
    _check_finite(sampler.is_finite(state), denoiser, sampler, faults)
    return x0


def generate(
    denoiser: Denoiser,
    shape: Sequence[int],
    *,
    n: int | None = None,
    indices: Iterable[int] | None = None,
    batch_size: int = 64,
    condition: Condition | None = None,
    start: Tensor | None = None,
    **settings: Any,
) -> Iterator[Tensor]:
    """Sample in batches; the samples do not depend on how they are split.

    Args:
        denoiser, shape, n, indices, condition, start: as for `sample`.
        batch_size: samples at a time.
        settings: the other arguments of `sample`.

    Returns:
        The batches one after the other, each (up to batch_size, *shape), in the order of the
        indices; `torch.cat(list(...))` makes one tensor of them.
    """
    check_whole("batch_size", batch_size, 1)
    indices = sample_indices(n, indices)
    _check_rows(condition, len(indices))
    rows = [slice(i, i + batch_size) for i in range(0, len(indices), batch_size)]
    return (
        sample(
            denoiser,
            shape,
            indices=indices[part],
            condition=None if condition is None else condition.rows(part),
            start=None if start is None else start[part],
            **settings,
        )
        for part in rows
    )


def sample_indices(n: int | None, indices: Iterable[int] | None) -> list[int]:
    """The numbers of the samples: those given, or 0 to n - 1.

    Raises:
        ClarionError: if both or neither are given, there are none, or one is no whole number.
    """
    if (n is None) == (indices is None):
        raise ClarionError(f"Give either n or indices, got n={n!r} and indices={indices!r}.")
    if n is not None:
        check_whole("n", n, 1)
        return list(range(n))
    numbers = list(indices or ())
    if not numbers:
        raise ClarionError("indices must name at least one sample, got none.")
    for number in numbers:
        check_whole("A sample's index", number, 0)
    return numbers


def _named(given: str | T, kind: type[T], table: NameTable[type[T]]) -> T:
    """The sampler or grid that was given, or the one of that name at its defaults."""
    if isinstance(given, str):
        cls = table[given]
        needed = [p.name for p in signature(cls).parameters.values() if p.default is p.empty]
        if needed:
            raise ClarionError(
                f"The {table.kind} {given!r} needs {', '.join(needed)}; give {cls.__name__}(...)."
            )
        given = cls()
    if not isinstance(given, kind):
        example = f"{next(iter(table.values())).__name__}()"
        raise ClarionError(
            f"{table.kind} must be a name, or an instance such as {example}, got {given!r}."
        )
    return given


def _check_rows(condition: Condition | None, n: int) -> None:
    for name, value in condition.values.items() if condition is not None else ():
        if len(value) != n:
            raise ClarionError(f"Condition {name!r} has {len(value)} rows for {n} samples.")


def _device_of(denoiser: Denoiser) -> torch.device:
    for tensor in (*denoiser.parameters(), *denoiser.buffers()):
        return tensor.device
    return torch.device("cpu")


REMEDIES = {"guidance_scale": "smaller", "scale": "smaller", "sigma_y": "larger"}
"""Settings of rules and samplers that may have been too strong -> what they should be instead."""


def _check_finite(
    is_finite: Tensor, denoiser: Denoiser, sampler: Sampler, faults: Mapping[str, Tensor]
) -> None:
    num_bad = int((~is_finite).sum())
    if num_bad:
        known = [fault for fault, rows in faults.items() if rows.any()]
        remedies = _remedies(denoiser, sampler)
        advice = f" Try {' or '.join(remedies)}." if remedies else ""
        raise SamplingError(
            f"{num_bad} of {len(is_finite)} samples drawn with {sampler} are not finite: "
            f"{' and '.join(known) or 'the model returned NaN or infinity'}.{advice}"
        )


def _remedies(denoiser: Denoiser, sampler: Sampler) -> list[str]:
    """What may help with the rules and the sampler that were in use."""
    remedies = [
        f"a {change} {setting} of {type(steering).__name__}"
        for steering in (*rules_round(denoiser), sampler)
        for setting, change in REMEDIES.items()
        if isinstance(getattr(steering, setting, None), int | float)
    ]
    return remedies + ["more steps"] * sampler.can_diverge
