"""Models small enough to be saved and loaded over and over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from clarion.base.condition import ClassEntry, VectorEntry
from clarion.base.normalizer import Normalizer
from clarion.nets import UNetConfig
from clarion.process import EDM
from clarion.run.config import ModelConfig
from clarion.run.model import Model

SPEC = {"label": ClassEntry(3, ("cat", "dog", "eel")), "pose": VectorEntry(2)}


@pytest.fixture
def make_model() -> Callable[..., Model]:
    """make_model(**fields of ModelConfig): a network whose every layer does something."""

    def make(seed: int = 0, **fields: Any) -> Model:
        network = UNetConfig(
            base_channels=8,
            channel_multipliers=(1, 2),
            blocks_per_level=1,
            attention_levels=(1,),
            head_width=8,
        )
        defaults = {"shape": (2, 8, 8), "condition": SPEC, "network": network, "process": EDM()}
        config = ModelConfig(**defaults | fields)
        torch.manual_seed(seed)
        denoiser = config.build()
        with torch.no_grad():
            for parameter in denoiser.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        return Model(config, denoiser, Normalizer((0.3, 0.5), (0.2, 0.4)))

    return make
