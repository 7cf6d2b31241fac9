"""Sizes of networks, as they are saved with a model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import nn

from clarion.base.condition import ConditionSpec
from clarion.base.errors import ClarionError


@dataclass(frozen=True)
class NetworkConfig(ABC):
    """What is needed, beside the shape of the data and the condition spec, to build a network."""

    @property
    def reads_noise_level(self) -> bool:
        """Whether what the network says depends on the noise level."""
        return True

    @property
    def takes_any_length(self) -> bool:
        """Whether the network, once built, takes signals of any length, and fields as long."""
        return False

    @abstractmethod
    def build(self, shape: tuple[int, ...], spec: ConditionSpec) -> nn.Module:
        """A freshly initialised network for samples of this shape."""

    def build_for_tokens(
        self, length: int, num_states: int, vocabulary: int, spec: ConditionSpec
    ) -> nn.Module:
        """A freshly initialised network for sequences of tokens.

        It maps x_t (batch, length) int64, noise levels 1 - alpha(t) (batch,) and a condition to
        logits (batch, length, vocabulary).

        Args:
            length: tokens of a sequence.
            num_states: number of different values of a token of x_t, the mask included.
            vocabulary: number of different tokens of x0.
            spec: what it may be conditioned on.

        Raises:
            ClarionError: if this network takes numbers only.
        """
        raise ClarionError(
            f"The network {type(self).__name__} takes numbers, not tokens. Use the network "
            "'transformer' (TransformerConfig)."
        )
