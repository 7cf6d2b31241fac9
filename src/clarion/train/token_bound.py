"""The bound of the log-likelihood of tokens in continuous time, as a loss."""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import TokenProcess
from clarion.run.config import LevelsConfig
from clarion.train.levels import NoiseLevels


class TokenBound(NoiseLevels):
    """The bound of -log p(x0) for each token, in nats, at times that are uniform.

        loss = duration bound(x0, x_t, t) / length,      t uniform in [t_min, t_max]

    Its mean over times and noise is the bound of the whole sequence, divided by its length, but for
    what lies before t_min.

    Sources: see `process.tokens`; Sahoo et al. 2024, arXiv 2406.07524, equation 10 (masks).

    Args:
        process: how tokens are lost.
    """

    def __init__(self, process: TokenProcess) -> None:
        super().__init__(LevelsConfig("time_uniform"), process)

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Tensor,
        t: Tensor,
        noise: Tensor,
        condition: Condition | None,
        asked: Tensor | None = None,
    ) -> Tensor:
        """The loss of each sequence, (batch,).

        Args:
            denoiser: what is trained.
            x0: tokens, (batch, length).
            t: times, (batch,).
            noise: see `TokenProcess.perturb`.
            condition: what is known of each sequence.
            asked: positions (length,) bool that are bounded given all others; None for all.
        """
        x_t = self.process.perturb(x0, t, noise)
        if asked is not None:
            x_t = torch.where(asked, x_t, x0)
        estimate = denoiser(x_t, t, condition)
        assert isinstance(estimate, TokenEstimate), "a token process has token estimates"
        duration = self.process.t_max - self.process.t_min
        each = self.process.bound(x0, x_t, t, estimate.logits)
        return duration * (each if asked is None else each[:, asked]).mean(1)
