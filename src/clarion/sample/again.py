"""Data drawn again: taken back to some time t, and denoised from there.

What is lost by t is drawn anew, given what is left. Where the data are of the model's own kind, so
is what comes of them, at every t; of others (a sketch, a crude composition) it keeps the less, the
larger t is.

Source: Meng et al. 2022, arXiv 2108.01073 (SDEdit), section 3.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.streams import SampleStreams, mix_seed
from clarion.process.process import Process


def taken_back(process: Process, x0: Tensor, t: float, indices: Sequence[int], seed: int) -> Tensor:
    """x_t of each, by noise of its own stream, (n, *shape).

    Args:
        process: how data becomes noise.
        x0: clean data in model units, (n, *shape).
        t: the time.
        indices: numbers of the samples.
        seed: of the whole set.
    """
    streams = SampleStreams(mix_seed(seed, "taken back"), indices)
    noise = process.noise_like(x0, streams)
    return process.perturb(x0, torch.full((len(x0),), t, device=x0.device), noise)


def times_from(times: Tensor, t: float) -> Tensor:
    """Those of falling times that come after t, and before them t itself.

    Raises:
        ClarionError: if t is not among the times that are gone through.
    """
    first, last = float(times[0]), float(times[-1])
    if not last < t <= first:
        raise ClarionError(
            f"start_time must lie above {last:g} and be at most {first:g}, got {t:g}."
        )
    return torch.cat([times.new_tensor([t]), times[times < t]])
