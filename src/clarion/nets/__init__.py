"""Networks; they know shapes and conditions, and nothing of processes."""

from clarion.nets.config import NetworkConfig
from clarion.nets.convnext import ConvNeXtConfig
from clarion.nets.diffwave import DiffWaveConfig
from clarion.nets.mlp import MLPConfig
from clarion.nets.tables import NETWORKS
from clarion.nets.transformer import TransformerConfig
from clarion.nets.unet import UNetConfig

__all__ = [
    "NETWORKS",
    "ConvNeXtConfig",
    "DiffWaveConfig",
    "MLPConfig",
    "NetworkConfig",
    "TransformerConfig",
    "UNetConfig",
]
