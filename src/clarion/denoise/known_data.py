"""Which data a model or a classifier knows."""

from __future__ import annotations

from dataclasses import dataclass

from clarion.base.codec import Codec
from clarion.base.condition import ConditionSpec


@dataclass(frozen=True)
class KnownData:
    """What must agree before two networks are asked about the same samples.

    Args:
        shape: of one sample.
        codec: between the units of the data and those of the network.
        spec: what the network may be told, or tells, of a sample.
    """

    shape: tuple[int, ...]
    codec: Codec
    spec: ConditionSpec
