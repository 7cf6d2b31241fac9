"""Sampling from a start that is given, with every state on the way."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.sample.sampler import AffineSampler


def trajectory(
    denoiser: Denoiser,
    start: Tensor,
    *,
    sampler: AffineSampler,
    times: Tensor,
    condition: Condition | None = None,
    seed: int = 0,
) -> Iterator[tuple[float, Tensor]]:
    """What a sampler makes of `start`, step by step; the last state is the sample.

    It is the loop of `clarion.sample` for experiments that want the same noise at several settings,
    chosen starting points, or what lies between noise and data. Fresh noise is drawn for the batch
    as a whole.

    Args:
        denoiser: the model, with its guidance round it.
        start: in units of the noise at the first time: standard normal numbers, or points chosen
            instead, (batch, dim).
        sampler: any Gaussian sampler.
        times: falling times, the last of them 0 for clean data.
        condition: what is asked for, a row for each sample.
        seed: of the fresh noise.

    Yields:
        The time and x_t (batch, dim), at each evaluation of the denoiser and at the end.
    """
    plan = sampler.plan(denoiser.process, times, start.dtype)
    generator = torch.Generator().manual_seed(seed)
    state, memory = (start * plan.initial_scale,), {}
    for stage in plan.stages:
        yield stage.t, state[0]
        t = start.new_full((len(start),), stage.t)
        with torch.no_grad():
            visit = Visit(stage.t, stage.next_t, memory)
            estimate = denoiser.at(visit)(state[0], t, condition)
        noise = None
        if stage.noise:
            noise = torch.randn(start.shape, dtype=start.dtype, generator=generator)
        state = sampler.step(stage, state, estimate, noise)
    yield plan.stages[-1].next_t, state[0]
