"""The model behind `clarion design`: trained, or found trained on the same in the folder."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from clarion.base.errors import ClarionError
from clarion.cli.training import Options, train
from clarion.domains.prepare import prepare
from clarion.domains.sequence.design.known import Known
from clarion.domains.tables import ALL_TABLES
from clarion.run.config import TrainConfig
from clarion.run.files import read_json, write_json
from clarion.run.folder import CONFIG, checkpoints, read_train_config
from clarion.run.model import Model
from clarion.run.serialize import to_json

LEARNT_FROM = "learnt_from.json"
"""Beside the model: which sequences and numbers it was trained on."""


def trained(out: Path, config: TrainConfig, known: Known) -> Model:
    """The model in `out`/model, trained to its end.

    Args:
        out: folder of the designs.
        config: how it is trained, on what is known. One that is there may have another seed, and
            may have been trained when the table lay elsewhere.
        known: what it learns from.

    Raises:
        ClarionError: if the one that is there was trained on others or otherwise, or its training
            is stopped.
    """
    run, record = out / "model", out / LEARNT_FROM
    of = {"sequences": len(known.texts), "sha256": digest(known)}
    if (run / CONFIG).is_file():
        _check_same(run, record, config, of)
        options = Options(resume=run)
    else:
        out.mkdir(parents=True, exist_ok=True)
        write_json(record, of)
        options = Options(out=run)
    train("clarion train", "design", options, config, prepare)
    if int(checkpoints(run)[-1].name) < config.num_steps:
        raise ClarionError(f"The training of {run} was stopped; the same command goes on with it.")
    return Model.load(run)


def digest(known: Known) -> str:
    """SHA-256 of the sequences and their numbers, in hexadecimal."""
    rows = zip(known.texts, known.values.tolist(), strict=True)
    return hashlib.sha256(
        "\n".join(f"{text}\t{value!r}" for text, value in rows).encode()
    ).hexdigest()


def _check_same(run: Path, record: Path, config: TrainConfig, of: dict[str, Any]) -> None:
    theirs = read_train_config(run, ALL_TABLES)
    moved = replace(config.data, source=theirs.data.source)
    ours = replace(config, data=moved, seed=theirs.seed)
    parts = (to_json(each, ALL_TABLES) for each in (theirs, ours))
    otherwise = next(_differences(*parts), None)
    if otherwise is None and (not record.is_file() or read_json(record) != of):
        otherwise = "it was trained on other sequences or numbers"
    if otherwise is not None:
        raise ClarionError(
            f"{run} is not the model of this table and these settings: {otherwise}. Name another "
            "folder with --out, or remove this one."
        )


def _differences(theirs: Any, ours: Any, where: str = "") -> Iterator[str]:
    """Each setting that differs, in words."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        for key in theirs | ours:
            place = f"{where}.{key}" if where else str(key)
            yield from _differences(theirs.get(key), ours.get(key), place)
    elif theirs != ours:
        yield f"{where} was {_shown(theirs)}, and is now {_shown(ours)}"


def _shown(value: Any) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
