"""How a network is asked about noisy tokens, whatever it says of them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clarion.base.condition import Condition
from clarion.denoise.asked import AskedNetwork
from clarion.process.tokens import TokenProcess


class TokenNetwork(AskedNetwork):
    """A network that is told which share of the tokens is lost.

    answer = net(x_t, 1 - alpha(t))

    What is made of the answer is for those that derive from this, beside the contract they serve.
    """

    process: TokenProcess

    def ask_with(self, network: nn.Module, autocast_dtype: torch.dtype | None) -> None:
        """Set what is asked; see the constructors of those that derive from this."""
        self.network, self.autocast_dtype = network, autocast_dtype

    def ask(self, x_t: Tensor, t: Tensor, condition: Condition | None = None) -> Tensor:
        """The network's answer, in the type of its weights or that of autocast.

        Args:
            x_t: noisy tokens, (batch, length), or vectors, (batch, length, num_states).
            t: times, (batch,).
            condition: what is known of each sequence.
        """
        dtype = self.weight_dtype(t.dtype)
        x = x_t.to(dtype) if x_t.is_floating_point() else x_t
        with self.autocast(x_t.device):
            return self.network(x, self.process.noise_level(t).to(dtype), condition)
