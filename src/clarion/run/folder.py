"""The layout of a run on disk.

config.json        the model, how it was trained, schema and package version
normalizer.json    what was fitted on the data
model.safetensors  averaged weights, ready to use
log.jsonl          one line a report
steps/00010000/    all that is needed to go on from there
README.md          the model card
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clarion.base.errors import CheckpointError
from clarion.base.names import NameTable
from clarion.base.normalizer import Normalizer
from clarion.base.version import VERSION
from clarion.run.card import model_card
from clarion.run.config import SCHEMA_VERSION, ModelConfig, TrainConfig
from clarion.run.examples import DataConfig
from clarion.run.files import read_json, write_bytes, write_json
from clarion.run.serialize import TABLES, Tables, from_json, to_json

CONFIG, NORMALIZER, WEIGHTS = "config.json", "normalizer.json", "model.safetensors"
CARD = "README.md"


def write_description(
    folder: Path,
    model: ModelConfig,
    normalizer: Normalizer,
    train: TrainConfig | None = None,
    tables: Tables = TABLES,
) -> None:
    """Write all that stands beside the weights: `config.json`, `normalizer.json`, `README.md`."""
    folder.mkdir(parents=True, exist_ok=True)
    write_config(folder, model, train, tables)
    write_normalizer(folder, normalizer)
    write_bytes(folder / CARD, model_card(model).encode())


def write_config(
    folder: Path, model: ModelConfig, train: TrainConfig | None = None, tables: Tables = TABLES
) -> None:
    """Write `config.json`."""
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "package_version": VERSION,
        "model": to_json(model, tables),
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
    unknown = set(content) - {"schema_version", "package_version", "model", "train"}
    if unknown:
        raise CheckpointError(f"{path} has unknown {', '.join(map(repr, sorted(unknown)))}.")
    return content


def read_model_config(folder: Path) -> ModelConfig:
    """The model part of `config.json`."""
    return from_json(ModelConfig, read_config(folder).get("model"), f"{folder / CONFIG}: model")


def read_train_config(folder: Path, data_table: NameTable[type[DataConfig]]) -> TrainConfig:
    """The training part of `config.json`.

    Args:
        data_table: the kinds of data, a name table.
    """
    content = read_config(folder)
    if "train" not in content:
        raise CheckpointError(f"{folder} holds a model without its training; it cannot be resumed.")
    tables = TABLES | {DataConfig: data_table}
    return from_json(TrainConfig, content["train"], f"{folder / CONFIG}: train", tables)


def write_normalizer(folder: Path, normalizer: Normalizer) -> None:
    """Write `normalizer.json`."""
    write_json(folder / NORMALIZER, to_json(normalizer))


def read_normalizer(folder: Path) -> Normalizer:
    """Read `normalizer.json`."""
    return from_json(Normalizer, read_json(folder / NORMALIZER), str(folder / NORMALIZER))


def checkpoint_folder(run: Path, step: int) -> Path:
    """Where the checkpoint of a step stands."""
    return run / "steps" / f"{step:08d}"


def checkpoints(run: Path) -> list[Path]:
    """All whole checkpoints of a run, oldest first."""
    folders = [p for p in (run / "steps").glob("*") if p.name.isdecimal() and p.is_dir()]
    return sorted(folders, key=lambda folder: int(folder.name))
