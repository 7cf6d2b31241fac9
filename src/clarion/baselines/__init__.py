"""Other generative models on the same data, networks and training loop, to be compared with."""

from clarion.baselines.autoregressive import (
    Autoregressive,
    AutoregressiveConfig,
    NextTokenObjective,
)
from clarion.baselines.gan import GAN
from clarion.baselines.model import BaselineModel
from clarion.baselines.vae import VAE

__all__ = [
    "GAN",
    "VAE",
    "Autoregressive",
    "AutoregressiveConfig",
    "BaselineModel",
    "NextTokenObjective",
]
