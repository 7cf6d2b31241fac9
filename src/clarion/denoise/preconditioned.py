"""How a network is asked about noisy data, whatever it says of them."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.shapes import expand_like
from clarion.denoise.asked import AskedNetwork
from clarion.process.gaussian import GaussianProcess


class PreconditionedNetwork(AskedNetwork):
    """A network whose input is scaled to unit variance.

    answer = net(x_t / sqrt(alpha² d² + sigma²), log(sigma / alpha) / 4)

    Source: Karras et al. 2022, arXiv 2206.00364, equations 7 and 8, here for any Gaussian process.
    What is made of the answer is for those that derive from this, beside the contract they serve.
    """

    process: GaussianProcess
    sigma_data: float

    def ask_with(
        self, network: nn.Module, sigma_data: float, autocast_dtype: torch.dtype | None
    ) -> None:
        """Set what is asked; see the constructors of those that derive from this."""
        if not 0 < sigma_data < math.inf:
            raise ClarionError(f"sigma_data must be above 0 and finite, got {sigma_data}.")
        self.network = network
        self.sigma_data = sigma_data
        self.autocast_dtype = autocast_dtype

    def ask(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Tensor:
        """The network's answer, in the type of its weights or that of autocast.

        Args:
            x_t: noisy data, (batch, *shape).
            t: times, (batch,).
            condition: what is known of each sample.
        """
        alpha, sigma = self.process.alpha(t), self.process.sigma(t)
        scale = torch.rsqrt((alpha * self.sigma_data) ** 2 + sigma**2)
        noise_level = self.process.log_snr(t) / -8  # log(sigma / alpha) / 4
        dtype = self.weight_dtype(x_t.dtype)
        x = (expand_like(scale, x_t) * x_t).to(dtype)
        with self.autocast(x_t.device):
            return self.network(x, noise_level.to(dtype), condition)
