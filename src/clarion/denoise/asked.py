"""A network, and the type in which it computes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from clarion.base.names import NameTable

AUTOCAST: NameTable[torch.dtype | None] = NameTable(
    "precision", {"float32": None, "bfloat16": torch.bfloat16}
)
"""Name -> the type in which a network's matrix products and convolutions are computed."""


class AskedNetwork(nn.Module):
    """What is trained: a network that is asked in one type or another.

    Args, set by those that derive from this:
        network: any module.
        autocast_dtype: type in which it computes; None: that of its weights.
    """

    network: nn.Module
    autocast_dtype: torch.dtype | None

    def weight_dtype(self, default: torch.dtype) -> torch.dtype:
        """Type of the network's weights; the default if it has none."""
        return next((p.dtype for p in self.network.parameters()), default)

    def autocast(self, device: torch.device) -> AbstractContextManager[object]:
        """Within, operations are computed in that type."""
        if self.autocast_dtype is None:
            return nullcontext()
        return torch.autocast(device.type, dtype=self.autocast_dtype)


@contextmanager
def computing_in(autocast_dtype: torch.dtype | None, *modules: nn.Module) -> Iterator[None]:
    """Within, all networks that are asked in these modules compute in this type."""
    asked = {
        part for whole in modules for part in whole.modules() if isinstance(part, AskedNetwork)
    }
    before = {network: network.autocast_dtype for network in asked}
    try:
        for network in asked:
            network.autocast_dtype = autocast_dtype
        yield
    finally:
        for network, dtype in before.items():
            network.autocast_dtype = dtype
