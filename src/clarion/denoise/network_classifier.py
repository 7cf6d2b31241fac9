"""A network turned into a classifier of noisy data."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.known_data import KnownData
from clarion.denoise.preconditioned import PreconditionedNetwork
from clarion.process.gaussian import GaussianProcess


class NetworkClassifier(PreconditionedNetwork, NoisyClassifier):
    """log p(class | x_t) = log softmax net(x_t / sqrt(alpha² d² + sigma²), log(sigma / alpha) / 4)

    Source: Dhariwal & Nichol 2021, arXiv 2105.05233, section 4.

    Args:
        network: called with (x, noise_level, None); gives logits (batch, num_classes).
        process: how the data was noised.
        data: which data it knows.
        num_classes: number of classes.
        sigma_data: standard deviation d of the data, in the units of the model.
        autocast_dtype: type in which the network computes (None: that of its weights). The
            logarithms are formed in the type of x_t, and at least in float32.
    """

    def __init__(
        self,
        network: nn.Module,
        process: GaussianProcess,
        data: KnownData,
        num_classes: int,
        sigma_data: float = 1.0,
        autocast_dtype: torch.dtype | None = None,
    ) -> None:
        super().__init__(process, num_classes, data)
        self.ask_with(network, sigma_data, autocast_dtype)

    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        exact = torch.promote_types(x_t.dtype, torch.float32)
        return F.log_softmax(self.ask(x_t, t).to(exact), 1)
