"""The layout of a run on disk.

config.json        the model, how it was trained, schema and package version
normalizer.json    what was fitted on the data; called as its codec (`CODECS`)
model.safetensors  averaged weights, ready to use
log.jsonl          one line a report
steps/00010000/    all that is needed to go on from there
README.md          the model card
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from clarion.base.codec import Codec
from clarion.base.errors import CheckpointError
from clarion.base.names import NameTable
from clarion.base.normalizer import Normalizer
from clarion.base.sound import SOUND_CODECS
from clarion.base.version import VERSION
from clarion.base.vocabulary import Vocabulary
from clarion.run.baseline_config import BaselineConfig, BaselineTrainConfig
from clarion.run.card import card
from clarion.run.classifier_config import ClassifierConfig, ClassifierTrainConfig
from clarion.run.config import SCHEMA_VERSION, ModelConfig, TrainConfig, TrainingConfig
from clarion.run.files import read_json, write_bytes, write_json
from clarion.run.serialize import TABLES, Tables, from_json, to_json

CONFIG, WEIGHTS, CARD = "config.json", "model.safetensors", "README.md"

CODECS: NameTable[type[Codec]] = NameTable(
    "codec",
    {
        "normalizer": Normalizer,
        "vocabulary": Vocabulary,
        **SOUND_CODECS,
    },
)
"""Name of the file, without its ending -> what it holds."""

CODEC_FILES = tuple(f"{name}.json" for name in CODECS)

Described: TypeAlias = ModelConfig | ClassifierConfig | BaselineConfig
"""What comes out of a training."""

DESCRIBED: NameTable[type] = NameTable(
    "kind of run",
    {"model": ModelConfig, "classifier": ClassifierConfig, "baseline": BaselineConfig},
)
"""Key of `config.json` under which it stands -> what a run may be."""

TRAININGS = {
    "model": TrainConfig,
    "classifier": ClassifierTrainConfig,
    "baseline": BaselineTrainConfig,
}

HINTS = {
    "model": "holds a diffusion model, which is sampled (clarion sample {0}), trained on (clarion "
    "train --resume {0}), or given a classifier (clarion train-classifier {0})",
    "classifier": "holds a classifier, which steers a model (--guidance classifier:{0}:2) or is "
    "trained on (clarion train-classifier --resume {0})",
    "baseline": "holds a baseline, which is sampled (clarion sample {0}) or trained on (clarion "
    "train --resume {0})",
}


def write_description(
    folder: Path,
    described: Described,
    codec: Codec,
    train: TrainingConfig | None = None,
    tables: Tables = TABLES,
) -> None:
    """Write all that stands beside the weights: `config.json`, the codec, `README.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, described, train, tables)
    write_codec(folder, codec)
    write_bytes(folder / CARD, card(described).encode())


def write_config(
    folder: Path,
    described: Described,
    train: TrainingConfig | None = None,
    tables: Tables = TABLES,
) -> None:
    """Write `config.json`."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "package_version": VERSION,
        DESCRIBED.name_of(described): to_json(described, tables),
    }
    if train is not None:
        content["train"] = to_json(train, tables)
    write_json(folder / CONFIG, content)


def read_config(folder: Path) -> dict[str, Any]:
    """Read `config.json` and check its version; the parts are read by those below.

    Raises:
        CheckpointError: if it is missing, damaged, or of a version this package does not know.
    """
    path = folder / CONFIG
    content = read_json(path)
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} must hold named values.")
    version = content.get("schema_version")
    if version != SCHEMA_VERSION:
        raise CheckpointError(
            f"{path} has schema version {version!r}; this package (clarion {VERSION}) "
            f"reads version {SCHEMA_VERSION}. It was written by clarion "
            f"{content.get('package_version', 'of an unknown version')}."
        )
    unknown = set(content) - {"schema_version", "package_version", "train", *DESCRIBED}
    if unknown:
        raise CheckpointError(f"{path} has unknown {', '.join(map(repr, sorted(unknown)))}.")
    if len(set(content) & set(DESCRIBED)) != 1:
        raise CheckpointError(f"{path} must hold one of {', '.join(DESCRIBED)}.")
    return content


def kind_of(folder: Path) -> str:
    """What a run is, a name in `DESCRIBED`."""
    return _kind_of(read_config(folder))


def read_description(folder: Path, tables: Tables = TABLES) -> Described:
    """What `config.json` describes; a baseline only where the tables tell its kinds."""
    content = read_config(folder)
    kind = _kind_of(content)
    return from_json(DESCRIBED[kind], content[kind], f"{folder / CONFIG}: {kind}", tables)


def read_model_config(folder: Path) -> ModelConfig:
    """The model that `config.json` describes; a CheckpointError if it is something else."""
    content = _read_config_of(folder, "model")
    return from_json(ModelConfig, content["model"], f"{folder / CONFIG}: model")


def read_classifier_config(folder: Path) -> ClassifierConfig:
    """The classifier that `config.json` describes; a CheckpointError if it is something else."""
    content = _read_config_of(folder, "classifier")
    return from_json(ClassifierConfig, content["classifier"], f"{folder / CONFIG}: classifier")


def read_baseline_config(folder: Path, tables: Tables) -> BaselineConfig:
    """The baseline that `config.json` describes; a CheckpointError if it is something else."""
    content = _read_config_of(folder, "baseline")
    return from_json(BaselineConfig, content["baseline"], f"{folder / CONFIG}: baseline", tables)


T = TypeVar("T", bound=TrainingConfig)


def read_train_config(folder: Path, tables: Tables, cls: type[T] = TrainConfig) -> T:
    """The training part of `config.json`.

    Args:
        tables: with the kinds of data, and of a baseline its kinds.
        cls: the kind of training: of a model, a classifier or a baseline.
    """
    kind = next(name for name, training in TRAININGS.items() if training is cls)
    content = _read_config_of(folder, kind)
    if "train" not in content:
        raise CheckpointError(
            f"{folder} holds a {kind} without its training; it cannot be resumed."
        )
    return from_json(cls, content["train"], f"{folder / CONFIG}: train", tables)


def _read_config_of(folder: Path, kind: str) -> dict[str, Any]:
    content = read_config(folder)
    if kind not in content:
        raise CheckpointError(
            f"{folder} {HINTS[_kind_of(content)].format(folder)}; a {kind} is wanted here."
        )
    return content


def _kind_of(content: Mapping[str, Any]) -> str:
    return next(kind for kind in DESCRIBED if kind in content)


def write_codec(folder: Path, codec: Codec) -> None:
    """Write `normalizer.json`, or what the file of this codec is called."""
    write_json(folder / f"{CODECS.name_of(codec)}.json", to_json(codec, tables={}))


def read_codec(folder: Path) -> Codec:
    """Read what `write_codec` wrote.

    Raises:
        CheckpointError: if there is no such file.
    """
    path = next((p for name in CODECS if (p := folder / f"{name}.json").is_file()), None)
    path = folder / f"{next(iter(CODECS))}.json" if path is None else path
    return from_json(CODECS[path.stem], read_json(path), str(path), tables={})


def checkpoint_folder(run: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return run / "steps" / f"{step:08d}"


def checkpoints(run: Path) -> list[Path]:
    """All whole checkpoints of a run, oldest first."""
    folders = [p for p in (run / "steps").glob("*") if p.name.isdecimal() and p.is_dir()]
    return sorted(folders, key=lambda folder: int(folder.name))
