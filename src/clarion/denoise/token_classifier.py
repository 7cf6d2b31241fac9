"""A network turned into a classifier of noisy tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.denoise.asked_tokens import TokenNetwork
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.known_data import KnownData
from clarion.process.tokens import TokenProcess


class TokenNetworkClassifier(TokenNetwork, NoisyClassifier):
    """log p(class | x_t) = log softmax net(x_t, 1 - alpha(t))

    It also takes tokens as vectors, (batch, length, num_states), along which it has a gradient.

    Source: Schiff et al. 2024, arXiv 2412.10193, section 3.2.

    Args:
        network: called with (x_t, noise_level, None); gives logits (batch, num_classes).
        process: how the tokens were lost.
        data: which data it knows.
        num_classes: number of classes.
        autocast_dtype: type in which the network computes (None: that of its weights). The
            logarithms are formed at least in float32.
        reads_time: whether the network reads the noise level.
    """

    def __init__(
        self,
        network: nn.Module,
        process: TokenProcess,
        data: KnownData,
        num_classes: int,
        autocast_dtype: torch.dtype | None = None,
        reads_time: bool = True,
    ) -> None:
        super().__init__(process, num_classes, data)
        self.ask_with(network, autocast_dtype)
        self._reads_time = reads_time

    @property
    def reads_time(self) -> bool:
        return self._reads_time

    def log_probabilities(self, x_t: Tensor, t: Tensor) -> Tensor:
        exact = torch.promote_types(t.dtype, torch.float32)
        return F.log_softmax(self.ask(x_t, t).to(exact), 1)
