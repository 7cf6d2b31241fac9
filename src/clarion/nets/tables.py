"""The names of networks."""

from clarion.base.names import NameTable
from clarion.nets.config import NetworkConfig
from clarion.nets.convnext import ConvNeXtConfig
from clarion.nets.diffwave import DiffWaveConfig
from clarion.nets.mlp import MLPConfig
from clarion.nets.transformer import TransformerConfig
from clarion.nets.unet import UNetConfig

NETWORKS: NameTable[type[NetworkConfig]] = NameTable(
    "network",
    {
        "unet": UNetConfig,
        "mlp": MLPConfig,
        "transformer": TransformerConfig,
        "convnext": ConvNeXtConfig,
        "diffwave": DiffWaveConfig,
    },
)
