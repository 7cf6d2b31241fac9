"""The names of the kinds of data, and of the recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from clarion.base.names import NameTable
from clarion.domains.image import recipes as image
from clarion.domains.image.data import ImageData
from clarion.domains.image.drawing import write_samples
from clarion.domains.image.one_picture import read_picture
from clarion.run.config import ModelConfig, TrainConfig
from clarion.run.examples import DataConfig


@dataclass(frozen=True)
class Domain:
    """What the command line needs to know of a kind of data.

    Args:
        write: writes samples in data units, with their numbers and the model's codec, to a path, as
            people look at, read or listen to them.
        read: reads one such sample, of so many channels, from a file.
        suffix: of the file that holds several samples.
        like: data, not yet named, brought to the shape and the classes of a model's samples.
    """

    write: Callable[[Tensor, Path, Iterable[int], Any], Path]
    read: Callable[[Path, int], Tensor]
    suffix: str
    like: Callable[[ModelConfig], DataConfig]


DOMAINS: NameTable[Domain] = NameTable(
    "kind of data", {"image": Domain(write_samples, read_picture, ".png", image.pictures_like)}
)

DATA: NameTable[type[DataConfig]] = NameTable("kind of data", {"image": ImageData})

RECIPES: NameTable[Callable[[], TrainConfig]] = NameTable(
    "recipe",
    {"fashion": image.fashion, "images": image.images, "text_to_image": image.text_to_image},
)
