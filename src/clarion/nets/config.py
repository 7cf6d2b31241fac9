"""Sizes of networks, as they are saved with a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from clarion.base.condition import ConditionSpec


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """What is needed, beside the shape of the data and the condition spec, to build a network."""

    @abstractmethod
    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        """A freshly initialised network for samples of this shape."""
