"""Averages of the weights over the training, with the profile chosen afterwards.

    average <- beta average + (1 - beta) theta,     beta = (1 - 1 / t)^(gamma + 1)

at step t; see `run/averages.py` for gamma and for what is made of the averages stored. Source:
Karras et al. 2024, arXiv 2312.02696, section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from clarion.run.averages import gamma_of


class EMA:
    """Power-function averages of a network's weights, one for each width.

    Args:
        network: what is averaged; its buffers are constant and taken as they are.
        widths: relative widths sigma_rel.
    """

    def __init__(self, network: nn.Module, widths: Sequence[float]) -> None:
        self.widths = tuple(widths)
        self._gammas = [gamma_of(width) for width in widths]
        self._parameters = dict(network.named_parameters())
        self._buffers = dict(network.named_buffers())
        self.averages = [
            {name: p.detach().clone() for name, p in self._parameters.items()} for _ in widths
        ]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after optimiser step number `step`, counted from 1."""
        weights: list[Tensor] = list(self._parameters.values())
        for gamma, average in zip(self._gammas, self.averages, strict=True):
            beta = (1 - 1 / step) ** (gamma + 1)
            torch._foreach_lerp_(list(average.values()), weights, 1 - beta)  # pyright: ignore

    def state_dict(self, number: int = 0) -> dict[str, Tensor]:
        """The averaged weights of one width, as the network's own `state_dict` has them."""
        return self.averages[number] | self._buffers

    def tensors(self) -> dict[str, Tensor]:
        """All averages, to be stored."""
        return {
            f"{width}/{name}": tensor
            for width, average in zip(self.widths, self.averages, strict=True)
            for name, tensor in average.items()
        }

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take back what `tensors` gave."""
        for name, tensor in self.tensors().items():
            tensor.copy_(tensors[name])
