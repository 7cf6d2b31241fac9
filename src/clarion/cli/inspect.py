"""`clarion inspect PATH`: what a run, a checkpoint, a weights file or a data folder holds.

Data take the flags that say how to read them, as in `clarion train`: `--size 32 --resize crop` for
pictures, `--alphabet smiles` for sequences.
"""

# Annotations are evaluated here, not kept as text: that of the data is found out first.

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rich.console import Console
from rich.table import Table
from torch import nn

from clarion.base.errors import ClarionError, DataError
from clarion.baselines.model import BaselineModel
from clarion.cli.progress import CountProgress
from clarion.domains.image.data import ImageData
from clarion.domains.tables import ALL_TABLES, kind_of
from clarion.run import folder
from clarion.run.classifier import load_classifier
from clarion.run.examples import DataConfig
from clarion.run.files import read_json, read_tensors
from clarion.run.model import Model
from clarion.run.serialize import to_json


@dataclass(frozen=True)
class Options:
    """What to look at.

    Args:
        path: a run, a checkpoint, a .safetensors file, or data (as `--data` takes them).
        json: print JSON.
    """

    path: Annotated[str, tyro.conf.Positional]
    json: bool = False


def main(arguments: list[str]) -> int:
    """Look, and print what is there; returns the exit status."""
    options, data = _parse(arguments)
    path = Path(options.path)
    if (path / folder.CONFIG).is_file():
        content = describe_run(path)
    elif (path / "state.json").is_file():
        content = describe_checkpoint(path)
    elif path.suffix == ".safetensors":
        content = describe_tensors(path)
    else:
        return _inspect_data(data, options.json)
    if data != type(data)(options.path):
        raise ClarionError(f"{path} is no data; flags that say how to read data do not apply.")
    print(json.dumps(content)) if options.json else Console().print(_table(content))
    return 0


def describe_run(run: Path) -> dict[str, Any]:
    """What it is, weights, checkpoints and the last report of a run or a saved model."""
    kind, config = folder.kind_of(run), folder.read_description(run, ALL_TABLES)
    content: dict[str, Any] = {
        kind: to_json(config, ALL_TABLES),
        **{
            name: read_json(path)
            for name in folder.CODECS
            if (path := run / f"{name}.json").is_file()
        },
    }
    if (run / folder.WEIGHTS).is_file():
        parameters = dict(_loaded(run, kind).named_parameters())
        count = sum(p.numel() for p in parameters.values())
        content["weights"] = f"{count:,}, whole and finite"
        bad = [name for name, p in parameters.items() if not p.isfinite().all()]
        if bad:
            content["weights"] = f"NOT FINITE: {', '.join(bad[:3])}"
    else:
        content["weights"] = "none yet"
    found = folder.checkpoints(run)
    if found:
        content["checkpoints"] = ", ".join(str(int(f.name)) for f in found)
    content |= _last_reports(run / "log.jsonl")
    return content


def _loaded(run: Path, kind: str) -> nn.Module:
    if kind == "baseline":
        return BaselineModel.load(run).generator
    return Model.load(run).denoiser if kind == "model" else load_classifier(run)


def describe_checkpoint(path: Path) -> dict[str, Any]:
    """State and files of one checkpoint, each read whole."""
    content = dict(read_json(path / "state.json"))
    for file in sorted(path.glob("*.safetensors")):
        content[file.name] = _summary(file)
    return content


def describe_tensors(path: Path) -> dict[str, Any]:
    """Names, types and shapes of the tensors in a file."""
    rows = {
        name: f"{str(tensor.dtype).removeprefix('torch.')} {tuple(tensor.shape)}"
        for name, tensor in read_tensors(path).items()
    }
    return {"file": _summary(path)} | rows


def _summary(file: Path) -> str:
    tensors = read_tensors(file)
    numbers = sum(tensor.numel() for tensor in tensors.values())
    is_finite = all(bool(tensor.isfinite().all()) for tensor in tensors.values())
    state = "all finite" if is_finite else "NOT ALL FINITE"
    return f"{len(tensors)} tensors, {numbers:,} numbers, {file.stat().st_size:,} bytes, {state}"


def _last_reports(log: Path) -> dict[str, Any]:
    if not log.is_file():
        return {}
    last: dict[str, Any] = {}
    for line in log.read_text().splitlines():
        try:
            report = json.loads(line)
        except ValueError:  # a line cut off by a kill
            continue
        if "loss" in report:
            last["loss"] = f"{report['loss']:.4f} at step {report['step']}"
        for name in ("validation", "accuracy"):
            if name in report:
                last[name] = f"{report[name]['mean']:.4f} at step {report['step']}"
    return last


def _parse(arguments: list[str]) -> tuple[Options, DataConfig]:
    source = next((word for word in arguments if kind_of(word) is not ImageData), ".")
    kind = kind_of(source)
    default = kind(source)

    def collect(
        options: Annotated[Options, tyro.conf.arg(name="")],
        data: Annotated[kind, tyro.conf.arg(name="")] = default,  # pyright: ignore
    ) -> tuple[Options, Any]:
        return options, replace(data, source=options.path)

    return tyro.cli(collect, args=arguments, prog="clarion inspect", description=__doc__)


def _inspect_data(config: DataConfig, as_json: bool) -> int:
    try:
        with CountProgress() as progress:
            report = config.describe(config.open(progress.count))
    except DataError:
        survey = config.survey()  # if there are no data at all, its error is the one to see
        if survey is not None:
            print(json.dumps(survey.to_json())) if as_json else Console().print(survey)
        raise
    print(json.dumps(report.to_json())) if as_json else Console().print(report)
    return 0


def _table(content: Mapping[str, Any]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _flat(content):
        table.add_row(name, value)
    return table


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, str]]:
    rows = []
    for name, value in content.items():
        if isinstance(value, Mapping) and value:
            rows += _flat(value, f"{prefix}{name}.")
        else:
            text = ", ".join(map(str, value)) if isinstance(value, list) else str(value)
            rows.append((prefix + name, text))
    return rows
