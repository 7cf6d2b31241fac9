"""How a network is asked about noisy data, whatever it says of them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.base.shapes import expand_like
from clarion.process.gaussian import GaussianProcess

AUTOCAST: NameTable[torch.dtype | None] = NameTable(
    "precision", {"float32": None, "bfloat16": torch.bfloat16}
)
"""Name -> the type in which a network's matrix products and convolutions are computed."""


class PreconditionedNetwork(nn.Module):
    """A network whose input is scaled to unit variance.

    answer = net(x_t / sqrt(alpha² d² + sigma²), log(sigma / alpha) / 4)

    Source: Karras et al. 2022, arXiv 2206.00364, equations 7 and 8, here for any Gaussian process.
    What is made of the answer is for those that derive from this, beside the contract they serve.
    """

    process: GaussianProcess
    network: nn.Module
    sigma_data: float
    autocast_dtype: torch.dtype | None

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
        dtype = next((p.dtype for p in self.network.parameters()), x_t.dtype)
        x = (expand_like(scale, x_t) * x_t).to(dtype)
        with self._autocast(x_t.device):
            return self.network(x, noise_level.to(dtype), condition)

    @contextmanager
    def computing_in(self, autocast_dtype: torch.dtype | None) -> Iterator[None]:
        """Within, the network computes in this type."""
        before, self.autocast_dtype = self.autocast_dtype, autocast_dtype
        try:
            yield
        finally:
            self.autocast_dtype = before

    def _autocast(self, device: torch.device):
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.autocast_dtype)
