"""A network turned into a denoiser."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.denoise.parametrization import PARAMETRIZATIONS, to_x0
from clarion.denoise.preconditioned import PreconditionedNetwork
from clarion.process.gaussian import GaussianProcess


class NetworkDenoiser(PreconditionedNetwork, Denoiser):
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
        self.ask_with(network, sigma_data, autocast_dtype)
        self.prediction_type = prediction_type
        self._coefficients = PARAMETRIZATIONS[prediction_type]

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> Estimate:
        prediction = self.ask(x_t, t, condition).to(x_t.dtype)
        alpha, sigma = self.process.alpha(t), self.process.sigma(t)
        coefficients = self._coefficients(alpha, sigma, self.sigma_data)
        return Estimate(to_x0(prediction, x_t, coefficients))
