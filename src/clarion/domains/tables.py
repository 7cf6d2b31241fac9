"""The names of the kinds of data, and of the recipes."""

from __future__ import annotations

from collections.abc import Callable

from clarion.base.names import NameTable
from clarion.domains.image import recipes as image
from clarion.domains.image.data import ImageData
from clarion.run.config import TrainConfig
from clarion.run.examples import DataConfig

DATA: NameTable[type[DataConfig]] = NameTable("kind of data", {"image": ImageData})

RECIPES: NameTable[Callable[[], TrainConfig]] = NameTable(
    "recipe", {"fashion": image.fashion, "images": image.images}
)
