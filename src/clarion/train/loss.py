"""Per-sample denoising losses: how much each noise level counts.

    loss = weight(snr) mean_over_elements |(E[x0 | x_t] - x0) / d|²

Every weighting is a function of one signal-to-noise ratio, snr = d² alpha² / sigma², with d the
deviation of the data. The network's prediction type and the process do not enter.

Sources: Ho et al. 2020, arXiv 2006.11239 (noise); Salimans & Ho 2022, arXiv 2202.00512, section 4
(x0, v, truncated); Karras et al. 2022, arXiv 2206.00364, table 1 (edm); Hang et al. 2023, arXiv
2303.09556 (min_snr); Kingma & Gao 2023, arXiv 2303.00848 (the common form); Liu et al. 2022, arXiv
2209.03003 (flow).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from clarion.base.condition import Condition, ConditionSpec
from clarion.base.names import NameTable
from clarion.denoise.denoiser import Denoiser
from clarion.process.gaussian import GaussianProcess
from clarion.run.config import LossConfig
from clarion.train.levels import NoiseLevels
from clarion.train.token_bound import TokenBound

MIN_SNR_GAMMA = 5.0

WEIGHTINGS: NameTable[Callable[[Tensor], Tensor]] = NameTable(
    "weighting",
    {
        "x0": torch.ones_like,
        "noise": lambda snr: snr,
        "v": lambda snr: snr + 1,
        "flow": lambda snr: (1 + snr.sqrt()) ** 2,
        "edm": lambda snr: snr + 1,
        "min_snr": lambda snr: snr.clamp(max=MIN_SNR_GAMMA),
        "truncated": lambda snr: snr.clamp(min=1),
    },
)
"""Name -> weight of the squared error of x0 / d, given the signal-to-noise ratio, (batch,).

`noise` is the squared error of the noise, `v` that of the velocity of a variance-preserving
process, `flow` that of the straight path, both for data divided by d. `edm`, the squared error of
what its network predicts, is the same as `v`: their networks predict the same thing.
"""


class DenoisingLoss(NoiseLevels):
    """The loss of a denoiser on each sample of a batch.

    Args:
        config: noise levels and weighting.
        process: how the data is noised.
        sigma_data: standard deviation of the data.
    """

    def __init__(self, config: LossConfig, process: GaussianProcess, sigma_data: float) -> None:
        super().__init__(config, process, sigma_data)
        self._weight = WEIGHTINGS[config.weighting]

    def weight(self, t: Tensor) -> Tensor:
        """How much the squared error of x0 counts at time t, (batch,)."""
        snr = torch.exp(self.process.log_snr(t)) * self.sigma_data**2
        return self._weight(snr) / self.sigma_data**2

    def __call__(
        self, denoiser: Denoiser, x0: Tensor, t: Tensor, noise: Tensor, condition: Condition | None
    ) -> Tensor:
        """Loss of each sample, (batch,).

        Args:
            denoiser: what is trained.
            x0: clean data, (batch, *shape).
            t: times, (batch,).
            noise: standard normal numbers, (batch, *shape).
            condition: what is known of each sample.
        """
        estimate = denoiser(self.process.perturb(x0, t, noise), t, condition)
        return self.weight(t) * (estimate.mean - x0).square().flatten(1).mean(1)


def batch_loss(
    loss: DenoisingLoss | TokenBound,
    denoiser: Denoiser,
    x0: Tensor,
    condition: Condition | None,
    spec: ConditionSpec,
) -> Tensor:
    """Mean loss of a training batch, at fresh times and noise, with conditions hidden at random.

    Args:
        loss: noise levels and weighting.
        denoiser: what is trained.
        x0: clean data, (batch, *shape).
        condition: what is known of each sample.
        spec: says how often each condition is hidden.
    """
    if condition is not None:
        condition = hide_at_random(condition, spec)
    t = loss.stratified_times(len(x0), x0.device)
    return loss(denoiser, x0, t, loss.process.noise_like(x0), condition).mean()


def hide_at_random(condition: Condition, spec: ConditionSpec) -> Condition:
    """The same with each value absent as often as its entry's `dropout` says, to learn "absent"."""
    kept = {}
    for name, entry in spec.items():
        present = condition.present[name]
        kept[name] = torch.rand(len(present), device=present.device) >= entry.dropout
    return condition.keep_where(kept)
