"""A network turned into a denoiser of tokens."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.denoise.asked_tokens import TokenNetwork
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import TokenEstimate
from clarion.process.tokens import Masking, TokenProcess


class TokenNetworkDenoiser(TokenNetwork, Denoiser):
    """p(x0 | x_t) = softmax(net(x_t, 1 - alpha(t))) for each position.

    Of masks a visible token is true: there the network is not listened to (Sahoo et al. 2024, arXiv
    2406.07524, section 3.2.3, "carry-over unmasking").

    Args:
        network: called with (x_t, noise_level, condition); gives logits (batch, length,
            vocabulary).
        process: how the tokens were lost.
        autocast_dtype: type in which the network computes (None: that of its weights).
        reads_time: whether the network reads the noise level.
    """

    def __init__(
        self,
        network: nn.Module,
        process: TokenProcess,
        autocast_dtype: torch.dtype | None = None,
        reads_time: bool = True,
    ) -> None:
        super().__init__(process)
        self.ask_with(network, autocast_dtype)
        self._reads_time = reads_time

    @property
    def reads_time(self) -> bool:
        return self._reads_time

    def estimate(self, x_t: Tensor, t: Tensor, condition: Condition | None) -> TokenEstimate:
        logits = self.ask(x_t, t, condition).to(self.weight_dtype(t.dtype))
        if not isinstance(self.process, Masking):
            return TokenEstimate(logits)
        is_masked = x_t == self.process.mask
        visible = x_t.masked_fill(is_masked, 0)
        certain = TokenEstimate.of_tokens(visible, self.process.vocabulary, logits).logits
        return TokenEstimate(torch.where(is_masked.unsqueeze(-1), logits, certain))
