"""A network turned into a denoiser."""

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
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.denoise.parametrization import PARAMETRIZATIONS, to_x0
from clarion.process.gaussian import GaussianProcess

AUTOCAST: NameTable[torch.dtype | None] = NameTable(
    "precision", {"float32": None, "bfloat16": torch.bfloat16}
)
"""Name -> the type in which a network's matrix products and convolutions are computed."""


class NetworkDenoiser(Denoiser):
    """Preconditions a network: unit-variance input, prediction turned into the clean data.

    mean = skip(t) x_t + out(t) net(x_t / sqrt(alpha² d² + sigma²), log(sigma / alpha) / 4)

    Source: Karras et al. 2022, arXiv 2206.00364, equations 7 and 8, here for any Gaussian process
    and any prediction type.

    Args:
        network: called with (x, noise_level, condition); gives a tensor of the shape of x.
        process: how the data was noised.
        prediction_type: a name in `PARAMETRIZATIONS`.
        sigma_data: standard deviation d of the data, in the units of the model.
        autocast_dtype: type in which the network computes (None: that of its weights). The estimate
            itself is formed in the type of x_t.
    """

    def __init__(
        self,
        network: nn.Module,
        process: GaussianProcess,
        prediction_type: str = "edm",
        sigma_data: float = 1.0,
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(process)
        if not 0 < sigma_data < math.inf:
            raise ClarionError(f"sigma_data must be above 0 and finite, got {sigma_data}.")
        self.network = network
        self.prediction_type = prediction_type
        self.sigma_data = sigma_data
        self.autocast_dtype = autocast_dtype
        self._coefficients = PARAMETRIZATIONS[prediction_type]

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        alpha, sigma = self.process.alpha(t), self.process.sigma(t)
        scale = torch.rsqrt((alpha * self.sigma_data) ** 2 + sigma**2)
        noise_level = self.process.log_snr(t) / -8  # log(sigma / alpha) / 4
        dtype = next((p.dtype for p in self.network.parameters()), x_t.dtype)
        x = (expand_like(scale, x_t) * x_t).to(dtype)
        with self._autocast(x_t.device):
            prediction = self.network(x, noise_level.to(dtype), condition)
        coefficients = self._coefficients(alpha, sigma, self.sigma_data)
        return Estimate(to_x0(prediction.to(x_t.dtype), x_t, coefficients))

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
