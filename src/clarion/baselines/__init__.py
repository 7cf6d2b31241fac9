"""Other generative models on the same data, networks and training loop, to be compared with."""

from clarion.baselines.autoregressive import (
    Autoregressive,
    AutoregressiveConfig,
    NextTokenObjective,
)

__all__ = ["Autoregressive", "AutoregressiveConfig", "NextTokenObjective"]
