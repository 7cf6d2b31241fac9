"""A sampler's coefficients, worked out before its first step.

Every Gaussian sampler is an affine recursion. One stage asks the denoiser once, puts what it learnt
in front of a short history, and moves the state:

    x <- keep x + sum_j weights[j] history[j] + noise z,        z standard normal.

`history[0]` is the newest entry. An entry is the estimate D = E[x0 | x_t] or, for the samplers that
integrate predicted noise, the residual x_t - alpha D = sigma E[noise | x_t].

A family states its recursion (`Update`) for the rescaled variable y = x_t / alpha at noise level
s = sigma / alpha, where each Gaussian process is the same: y = x0 + s z. This file alone turns it
into one for x_t (`Stage`), so that each sampler serves each process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.process.gaussian import GaussianProcess


@dataclass(frozen=True, slots=True)
class Update:
    """One stage for the rescaled variable: y <- keep y + sum_j weights[j] history[j] + noise z.

    Args:
        level: noise level s of the state, at which the denoiser is asked.
        next_level: noise level of the state that the update leaves; 0 is clean data.
        keep: weight of the state.
        weights: weights of the history, newest entry first.
        noise: standard deviation of the fresh noise.
    """

    level: float
    next_level: float
    keep: float
    weights: tuple[float, ...]
    noise: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One stage for x_t: x <- keep x + sum_j weights[j] history[j] + noise z.

    Args:
        t: time at which the denoiser is asked.
        next_t: time of the state that the stage leaves; 0 where it is clean data.
        alpha: scale of the data at time t, with which a residual is formed.
        keep: weight of the state, as a scalar tensor of its type on the CPU: torch multiplies by
            one in half the time that a number of Python's takes.
        weights: weights of the history, newest entry first.
        noise: standard deviation of the fresh noise.
        num_kept: how many entries of the history later stages will need.
    """

    t: float
    next_t: float
    alpha: float
    keep: Tensor
    weights: tuple[float, ...]
    noise: float
    num_kept: int


@dataclass(frozen=True, slots=True)
class Plan:
    """All that a sampler does, but for the denoiser and the random numbers.

    Args:
        initial_scale: standard deviation of the noise from which it starts.
        stages: in their order; the denoiser is asked once in each.
    """

    initial_scale: float
    stages: tuple[Stage, ...]

    @property
    def num_evaluations(self) -> int:
        """Evaluations of the denoiser that one sample costs."""
        return len(self.stages)


def noise_levels(process: GaussianProcess, times: Tensor) -> list[float]:
    """The noise level sigma / alpha at each time of a grid; a last time of 0 stands for level 0.

    Args:
        times: falling times of shape (num_steps + 1,), within [process.t_min, process.t_max].

    Raises:
        ClarionError: if the times are too few, do not fall, or leave that interval.
    """
    if times.ndim != 1 or len(times) < 2:
        raise ClarionError(f"times must be a list of 2 or more, got shape {tuple(times.shape)}.")
    if not isinstance(process, GaussianProcess):
        raise ClarionError(
            f"This sampler moves numbers, and the model is of {process}: take 'ancestral', say."
        )
    times = times.to("cpu", torch.float64)
    is_clean = float(times[-1]) == 0
    asked = times[:-1] if is_clean else times
    slack = 1e-6  # grids pass through log-SNR and back
    if not bool(((asked >= process.t_min - slack) & (asked <= process.t_max + slack)).all()):
        raise ClarionError(
            f"times must lie in [{process.t_min:g}, {process.t_max:g}] for {process}, but for a "
            f"last one of 0; got {times.tolist()}."
        )
    levels = process.noise_level(asked.clamp(process.t_min, process.t_max)).tolist()
    levels += [0.0] * is_clean
    if not all(next_level < level for level, next_level in pairwise(levels)):
        raise ClarionError(f"times must fall at each step, got {times.tolist()}.")
    return levels


def convert(
    process: GaussianProcess,
    times: Tensor,
    levels: Sequence[float],
    updates: Sequence[Update],
    uses_residuals: bool,
    dtype: torch.dtype,
) -> Plan:
    """Turn a recursion for y = x_t / alpha into one for x_t.

        y' = a y + sum_j b_j D_j + c z    becomes
        x' = (alpha' a / alpha) x + sum_j alpha' b_j D_j + alpha' c z,

    and a residual, being alpha_j times as large for x_t as for y, takes the weight
    alpha' b_j / alpha_j instead.

    Args:
        times: the grid, whose own times are used wherever an update is at one of its levels.
        levels: the noise levels of the grid.
        dtype: type of the state; all is worked out in float64 before.
    """
    at = _times_and_alphas(process, dict(zip(levels, times.tolist(), strict=True)), updates)
    keeps = [at[u.next_level][1] * u.keep / at[u.level][1] for u in updates]
    entry_alphas: list[float] = []  # of the stages so far, newest first
    stages: list[Stage] = []
    for update, keep, num_kept in zip(
        updates, torch.tensor(keeps, dtype=dtype).unbind(), _history_bounds(updates), strict=True
    ):
        t, alpha = at[update.level]
        next_t, next_alpha = at[update.next_level]
        entry_alphas.insert(0, alpha if uses_residuals else 1.0)
        weights = tuple(
            next_alpha * b / a for b, a in zip(update.weights, entry_alphas, strict=False)
        )
        noise = next_alpha * update.noise
        stages.append(Stage(t, next_t, alpha, keep, weights, noise, num_kept))
    return Plan(at[levels[0]][1] * levels[0], tuple(stages))


def _times_and_alphas(
    process: GaussianProcess, time_of: Mapping[float, float], updates: Sequence[Update]
) -> dict[float, tuple[float, float]]:
    """Each noise level at which an update starts or ends -> its time and its alpha."""
    visited = {u.level for u in updates} | {u.next_level for u in updates}
    levels = sorted(visited - {0.0})
    between = process.time_of_noise_level(torch.tensor(levels, dtype=torch.float64)).tolist()
    times = [time_of.get(level, t) for level, t in zip(levels, between, strict=True)]
    # The ends of the grid have been through log-SNR and back.
    asked = torch.tensor(times, dtype=torch.float64).clamp(process.t_min, process.t_max)
    alphas = process.alpha(asked).tolist()
    at = dict(zip(levels, zip(asked.tolist(), alphas, strict=True), strict=True))
    return at | {0.0: (0.0, 1.0)}


def _history_bounds(updates: Sequence[Update]) -> list[int]:
    """For each update, how many entries of the history those after it use."""
    bounds: list[int] = []
    num_kept = 0
    for update in reversed(updates):
        bounds.append(num_kept)
        num_kept = max(num_kept, len(update.weights), 1) - 1
    return bounds[::-1]
