"""`clarion train RECIPE`: train a model, or go on with a training that was stopped.

Every setting of the recipe is a flag, named by its place in the config (`--network.base-channels`).
Those of the data have short forms: `--data` names the source, `--size`, `--resize`, `--channels`,
`--split` and `--skip-bad` say what is done with it. `--process` names another noising process,
whose own settings are then flags too (`--process vp_cosine --process.log-snr-max 10`).
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
import tyro

from clarion.base.errors import CheckpointError, ClarionError
from clarion.cli.device import choose_device
from clarion.cli.progress import ReadingProgress, TrainProgress
from clarion.domains.image.recipes import NOT_NAMED
from clarion.domains.tables import DATA, RECIPES
from clarion.process.tables import PROCESSES
from clarion.run import folder
from clarion.run.config import TrainConfig
from clarion.run.examples import DataConfig
from clarion.run.serialize import TABLES, to_json
from clarion.train.checkpoint import latest_checkpoint
from clarion.train.loop import Trainer, model_config
from clarion.train.objective import DenoisingObjective

SHORT_FORMS = {
    "--data": "--data.source",
    "--size": "--data.size",
    "--resize": "--data.resize",
    "--channels": "--data.channels",
    "--split": "--data.split",
    "--skip-bad": "--data.skip-bad",
}

DATA_TABLES = TABLES | {DataConfig: DATA}


@dataclass(frozen=True)
class Options:
    """Beside the settings of the training itself.

    Args:
        out: folder of the run; by default runs/<recipe>-<time>-<hash of the settings>.
        resume: folder of a run to go on with; its settings are those it was started with.
        device: where to train.
        stop_after: stop, saved, once this many steps are done in all.
        json: print reports as JSON lines instead of a progress bar.
    """

    out: Path | None = None
    resume: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    stop_after: int | None = None
    json: bool = False


def main(arguments: list[str]) -> int:
    """Train, and say where the run stands; returns the exit status."""
    recipe, options, config = parse(arguments)
    device = torch.device(choose_device(options.device))
    source = config.data.source
    is_new = options.resume is None
    if options.resume is not None:
        run = options.resume
        config = folder.read_train_config(run, DATA)
        if source != NOT_NAMED:
            config = _with_source(config, source)
    else:
        if source == NOT_NAMED:
            raise ClarionError("Name the data: --data FOLDER, parquet files, or a hub name.")
        run = options.out or Path("runs") / _run_name(recipe, config)
        if run.exists() and any(run.iterdir()):
            raise ClarionError(f"{run} exists and is not empty; go on with --resume {run}.")
    with ReadingProgress() as progress:
        examples = config.data.open(progress.reading)
        validation = config.validation.open(progress.reading) if config.validation else None
    model = model_config(config, examples)
    fit = config.data.fit_normalizer
    normalizer = fit(examples) if is_new else folder.read_normalizer(run)
    objective = DenoisingObjective(model, config.loss)
    trainer = Trainer(config, objective, examples, validation, normalizer, run, device)
    if is_new:
        folder.write_description(run, model, normalizer, config, DATA_TABLES)
    else:
        _check_same_model(run, model)
        checkpoint = latest_checkpoint(run)
        if checkpoint is not None:
            trainer.resume(checkpoint)
    with TrainProgress(run, config.num_steps, as_json=options.json) as progress:
        if is_new:
            progress.describe(config.data.describe(examples))
        is_complete = trainer.train(progress.report, options.stop_after)
    done = f"Trained, {config.num_steps} steps"
    state = done if is_complete else f"Stopped at step {trainer.step}"
    hint = "" if is_complete else f"\nGo on with: clarion train --resume {run}"
    print(f"{state}: {run}{hint}", file=sys.stderr if options.json else sys.stdout)
    return 0


def parse(arguments: list[str]) -> tuple[str, Options, TrainConfig]:
    """Recipe, options and settings from the words of the command line.

    Raises:
        ClarionError: for an unknown recipe, or none.
    """
    recipe = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    wants_help = any(word in ("-h", "--help") for word in arguments)
    is_resumed = any(word.split("=")[0] == "--resume" for word in arguments)
    if not recipe and not is_resumed and not wants_help:
        raise ClarionError(f"Name a recipe: clarion train RECIPE. Known: {', '.join(RECIPES)}.")
    arguments, chosen = _take_process(arguments[1:] if recipe else arguments)
    default = replace(RECIPES[recipe or "images"](), **chosen)

    def collect(
        options: Annotated[Options, tyro.conf.arg(name="")],
        config: Annotated[TrainConfig, tyro.conf.arg(name="")] = default,
    ) -> tuple[Options, TrainConfig]:
        return options, config

    options, config = tyro.cli(
        collect,
        args=[_in_full(word) for word in arguments],
        prog=f"clarion train {recipe or 'RECIPE'}",
        description=f"Recipes: {', '.join(RECIPES)}. {__doc__}",
        config=(tyro.conf.AvoidSubcommands,),
    )
    if options.stop_after is not None and options.stop_after < 1:
        raise ClarionError(f"stop_after must be at least 1, got {options.stop_after}.")
    source = config.data.source
    if is_resumed and (chosen or config != _with_source(default, source)):
        raise ClarionError(
            "A resumed training keeps its settings; beside --resume only --data may be given, "
            "to say where the same data are now."
        )
    place = Path(source).expanduser()
    if place.exists():  # written in full, so that a run can be resumed from any folder
        config = _with_source(config, str(place.resolve()))
    return recipe, options, config


def _with_source(config: TrainConfig, source: str) -> TrainConfig:
    return replace(config, data=replace(config.data, source=source))


def _take_process(arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Take `--process NAME` out of the words: which process it is decides what flags there are."""
    for place, word in enumerate(arguments):
        flag, equals, name = word.partition("=")
        if flag == "--process":
            name = name if equals else "".join(arguments[place + 1 : place + 2])
            rest = arguments[:place] + arguments[place + (1 if equals else 2) :]
            return rest, {"process": PROCESSES[name]()}
    return arguments, {}


def _in_full(word: str) -> str:
    flag, equals, value = word.partition("=")
    return SHORT_FORMS.get(flag, flag) + equals + value


def _run_name(recipe: str, config: TrainConfig) -> str:
    settings = json.dumps(to_json(config, DATA_TABLES), sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:6]
    return f"{recipe}-{time.strftime('%Y%m%d-%H%M%S')}-{digest}"


def _check_same_model(run: Path, model: object) -> None:
    if folder.read_model_config(run) != model:
        raise CheckpointError(
            f"The data no longer fit {run}: they give another shape or other classes than when "
            f"it was started."
        )
