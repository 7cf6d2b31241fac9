"""A bound of the probability that a denoiser gives to sequences of tokens.

The loss that it is trained by is a bound of -log p(x0) on average over times and noise
(`clarion.train.token_bound`). Here it is measured in passes: in each, every sequence meets one
time, and together they cover all times evenly.
"""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.streams import SampleStreams, mix_seed
from clarion.denoise.denoiser import Denoiser
from clarion.run.examples import OnProgress
from clarion.train.token_bound import TokenBound


@torch.no_grad()
def token_bound(
    denoiser: Denoiser,
    x0: Tensor,
    condition: Condition,
    *,
    passes: int,
    asked: Tensor | None = None,
    seed: int = 0,
    batch_size: int = 64,
    on_progress: OnProgress | None = None,
) -> Tensor:
    """The bound of -log p(x0) in nats a token, by each pass: (passes, n) float64.

    Args:
        denoiser: of a process of tokens.
        x0: sequences, (n, length).
        condition: what is known of each.
        passes: how often each sequence is looked at.
        asked: positions (length,) bool that are bounded given all others; None for all.
        seed: of times and noise.
        batch_size: sequences at a time.
        on_progress: called with (sequences done, sequences in all), all passes counted.
    """
    loss = TokenBound(denoiser.process)
    generator = torch.Generator().manual_seed(seed)
    found = torch.zeros(passes, len(x0), dtype=torch.float64)
    for number in range(passes):
        times = loss.stratified_times(len(x0), generator=generator).to(x0.device)
        for rows in torch.arange(len(x0)).split(batch_size):
            part = x0[rows]
            streams = SampleStreams(mix_seed(seed, number), rows.tolist())
            noise = denoiser.process.noise_like(part, streams)
            values = loss(denoiser, part, times[rows], noise, condition.rows(rows), asked)
            found[number, rows] = values.double().cpu()
            if on_progress is not None:
                on_progress(number * len(x0) + int(rows[-1]) + 1, passes * len(x0))
    return found
