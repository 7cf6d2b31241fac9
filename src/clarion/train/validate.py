"""The loss on examples that are not trained on, for each noise level."""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.streams import SampleStreams
from clarion.denoise.denoiser import Denoiser
from clarion.train.loss import DenoisingLoss

NUM_LEVELS = 8


@torch.no_grad()
def validation_loss(
    loss: DenoisingLoss,
    denoiser: Denoiser,
    x0: Tensor,
    condition: Condition,
    batch_size: int,
) -> dict[str, float]:
    """Mean loss at the middles of eight equally likely classes of noise levels.

    Each example meets the same noise at each level and in each validation, so values can be
    compared within and between runs.

    Args:
        loss: noise levels and weighting.
        denoiser: what is measured.
        x0: examples in model units, (n, *shape).
        condition: what is known of them.
        batch_size: examples at a time.

    Returns:
        Noise level sigma / alpha (four digits) -> loss, rising; and "mean", the mean of all.
    """
    u = (torch.arange(NUM_LEVELS, device=x0.device) + 0.5) / NUM_LEVELS
    times = loss.times(u)
    totals = torch.zeros(NUM_LEVELS, dtype=torch.float64)
    for start in range(0, len(x0), batch_size):
        rows = slice(start, start + batch_size)
        part = x0[rows]
        numbers = range(start, start + len(part))
        noise = SampleStreams(0, numbers).normal(part.shape[1:], device=part.device)
        for level, t in enumerate(times):
            losses = loss(denoiser, part, t.expand(len(part)), noise, condition.rows(rows))
            totals[level] += losses.double().sum().cpu()
    levels = loss.process.noise_level(times).tolist()
    means = (totals / len(x0)).tolist()
    result = {f"{s:.4g}": mean for s, mean in sorted(zip(levels, means, strict=True))}
    return result | {"mean": sum(means) / NUM_LEVELS}
