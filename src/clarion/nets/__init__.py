"""Networks; they know shapes and conditions, and nothing of processes."""

from clarion.nets.config import NETWORKS, NetworkConfig, UNetConfig

__all__ = ["NETWORKS", "NetworkConfig", "UNetConfig"]
