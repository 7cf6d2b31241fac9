"""What is measured on examples that are not trained on, for each noise level."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.train.levels import NoiseLevels
from clarion.train.loss import DenoisingLoss
from clarion.train.token_bound import TokenBound

NUM_LEVELS = 8

Measure: TypeAlias = Callable[[Tensor, Tensor, Tensor, Condition], Mapping[str, Tensor]]
"""(x0, t, noise, condition) -> name of a figure -> its value for each sample, (batch,)."""

Figures: TypeAlias = dict[str, dict[str, float]]
"""Name of a figure -> noise level (four digits) -> its mean there, levels rising; and
under "mean" the mean of all."""


@torch.no_grad()
def mean_by_level(
    measure: Measure, levels: NoiseLevels, x0: Tensor, condition: Condition, batch_size: int
) -> Figures:
    """Means of figures at the middles of eight equally likely classes of noise levels.

    Each example meets the same noise at each level and in each validation, so values can be
    compared within and between runs.

    Args:
        measure: the figures of a batch.
        levels: the distribution of noise levels.
        x0: examples in model units, (n, *shape).
        condition: what is known of them.
        batch_size: examples at a time.
    """
    u = (torch.arange(NUM_LEVELS, device=x0.device) + 0.5) / NUM_LEVELS
    times = levels.times(u)
    totals: dict[str, Tensor] = {}
    for start in range(0, len(x0), batch_size):
        rows = slice(start, start + batch_size)
        part = x0[rows]
        numbers = range(start, start + len(part))
        noise = levels.process.noise_like(part, SampleStreams(0, numbers))
        for level, t in enumerate(times):
            figures = measure(part, t.expand(len(part)), noise, condition.rows(rows))
            for name, values in figures.items():
                total = totals.setdefault(name, torch.zeros(NUM_LEVELS, dtype=torch.float64))
                total[level] += values.double().sum().cpu()
    names = levels.process.noise_level(times).tolist()
    return {name: _rising(names, (total / len(x0)).tolist()) for name, total in totals.items()}


def _rising(levels: list[float], means: list[float]) -> dict[str, float]:
    by_level = {f"{s:.4g}": mean for s, mean in sorted(zip(levels, means, strict=True))}
    return by_level | {"mean": sum(means) / NUM_LEVELS}


def validation_loss(
    loss: DenoisingLoss | TokenBound,
    denoiser: Denoiser,
    x0: Tensor,
    condition: Condition,
    batch_size: int,
) -> dict[str, float]:
    """Mean loss of a denoiser at each noise level; see `mean_by_level`."""

    def measure(x0: Tensor, t: Tensor, noise: Tensor, condition: Condition) -> dict[str, Tensor]:
        return {"loss": loss(denoiser, x0, t, noise, condition)}

    return mean_by_level(measure, loss, x0, condition, batch_size)["loss"]
