"""A tiny model and a tiny data folder for the commands to work on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.base.condition import ClassEntry
from clarion.base.normalizer import Normalizer
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import EDM
from clarion.run.config import ModelConfig
from clarion.run.model import Model


@pytest.fixture(scope="session")
def saved_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model of 8x8 grey pictures with two classes."""
    network = UNetConfig(
        base_channels=8, channel_multipliers=(1, 2), blocks_per_level=1, attention_levels=()
    )
    spec = {"label": ClassEntry(2, ("left", "right"))}
    config = ModelConfig((1, 8, 8), spec, network, EDM())
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("models") / "tiny"
    Model(config, config.build(), Normalizer((0.3,), (0.35,))).save(path)
    return path


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    """Two class folders of 8x8 grey pictures: lit on the left, or on the right."""
    rng = np.random.default_rng(0)
    for name, columns in (("left", slice(0, 4)), ("right", slice(4, 8))):
        folder = tmp_path / "pictures" / name
        folder.mkdir(parents=True)
        for number in range(8):
            pixels = rng.integers(0, 60, (8, 8), dtype=np.uint8)
            pixels[:, columns] += 150
            Image.fromarray(pixels).save(folder / f"{number}.png")
    return tmp_path / "pictures"
