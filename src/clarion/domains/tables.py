"""The names of the kinds of data, and of the recipes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from torch import Tensor

from clarion.base.names import NameTable
from clarion.baselines.tables import BASELINE_TABLES
from clarion.domains.audio import recipes as audio
from clarion.domains.audio.data import AudioData
from clarion.domains.audio.sources import holds_sounds
from clarion.domains.audio.writing import check_out as check_sound_out
from clarion.domains.audio.writing import refuse_known
from clarion.domains.audio.writing import refuse_to_read as refuse_to_read_sound
from clarion.domains.audio.writing import write_samples as write_sounds
from clarion.domains.image import baseline_recipes as image_baselines
from clarion.domains.image import recipes as image
from clarion.domains.image.data import ImageData
from clarion.domains.image.drawing import write_samples as write_pictures
from clarion.domains.image.known import inpainting
from clarion.domains.image.one_picture import read_picture
from clarion.domains.sequence import recipes as sequence
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.known import infilling
from clarion.domains.sequence.sources import is_sequence_file
from clarion.domains.sequence.writing import check_out, refuse_to_read
from clarion.domains.sequence.writing import write_samples as write_sequences
from clarion.guide.rule import Guidance
from clarion.run import folder
from clarion.run.config import ModelConfig, TrainingConfig
from clarion.run.examples import DataConfig


class ReadOne(Protocol):
    """Reads one sample, of so many channels, from a file; of these sides, if any are given."""

    def __call__(
        self, path: Path | str, channels: int, sides: Sequence[int] | None = None
    ) -> Tensor: ...


@dataclass(frozen=True)
class Domain:
    """What the command line needs to know of a kind of data.

    Args:
        write: writes samples in data units, with their numbers and the model's codec, to a path, as
            people look at, read or listen to them.
        read: reads one such sample from a file.
        known: the words in which a part of a sample is told, with what the model is and its codec,
            to the rule that keeps this part.
        suffix: of the file that holds several samples.
        check: refuses a path that `write` cannot write to, given the model's codec, before any
            sample is drawn.
        like: data, not yet named, brought to the shape and the classes of a model's samples.
    """

    write: Callable[[Tensor, Path, Iterable[int], Any], Path]
    read: ReadOne
    known: Callable[[Sequence[str], ModelConfig, Any], Guidance]
    suffix: str
    like: Callable[[ModelConfig], DataConfig]
    check: Callable[[Path, Any], Any] = lambda path, codec: None


DOMAINS: NameTable[Domain] = NameTable(
    "kind of data",
    {
        "image": Domain(
            write=write_pictures,
            read=read_picture,
            known=inpainting,
            suffix=".png",
            like=image.pictures_like,
        ),
        "sequence": Domain(
            write=write_sequences,
            read=refuse_to_read,
            known=infilling,
            suffix=".csv",
            like=sequence.sequences_like,
            check=check_out,
        ),
        "audio": Domain(
            write=write_sounds,
            read=refuse_to_read_sound,
            known=refuse_known,
            suffix=".wav",
            like=audio.sounds_like,
            check=check_sound_out,
        ),
    },
)

DATA: NameTable[type[DataConfig]] = NameTable(
    "kind of data", {"audio": AudioData, "image": ImageData, "sequence": SequenceData}
)

ALL_TABLES = BASELINE_TABLES | {DataConfig: DATA}
"""All that is needed to read any run, and how it was trained, from its files."""

RECIPES: NameTable[Callable[[], TrainingConfig]] = NameTable(
    "recipe",
    {
        "fashion": image.fashion,
        "images": image.images,
        "text_to_image": image.text_to_image,
        "tiny_imagenet": image.tiny_imagenet,
        "ddpm": image_baselines.ddpm,
        "ncsn": image_baselines.ncsn,
        "gan": image_baselines.gan,
        "vae": image_baselines.vae,
        "sequences": sequence.sequences,
        "text": sequence.text,
        "digits": audio.digits,
        "enhancement": audio.enhancement,
        "vocoder": audio.vocoder,
        "diffwave": audio.diffwave,
    },
)


def data_of(place: Path) -> tuple[DataConfig, DataConfig | None]:
    """The data of the run in a folder, to train and to validate on; of a saved model that does not
    know them, data like its samples, not yet named."""
    model = folder.read_model_config(place)
    if "train" in folder.read_config(place):
        train = folder.read_train_config(place, ALL_TABLES)
        return train.data, train.validation
    return DOMAINS[model.domain].like(model), None


def kind_of(source: str) -> type[DataConfig]:
    """The kind of data a source holds: sounds; sequences in files of tables and texts; else
    pictures."""
    if holds_sounds(source):
        return AudioData
    return SequenceData if is_sequence_file(source) else ImageData
