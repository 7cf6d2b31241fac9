"""`clarion train RECIPE`: train a model or a baseline, or go on with what was stopped.

Every setting of the recipe is a flag, named by its place in the config (`--network.base-channels`).
Those of the data have short forms: `--data` names the source, `--size`, `--resize`, `--channels`,
`--split` and `--skip-bad` say what is done with it. `--validation` names other data to measure the
loss on, read in the same way but for what flags such as `--validation.split` say; without
it a part of the data is held out. `--process` names another noising process, whose own settings are
then flags too (`--process vp_cosine --process.log-snr-max 10`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clarion.base.errors import ClarionError
from clarion.baselines.tables import BASELINES
from clarion.cli.training import (
    Options,
    is_resumed,
    parse_settings,
    resumed_run,
    train,
    wants_help,
)
from clarion.domains.prepare import prepare
from clarion.domains.tables import ALL_TABLES, RECIPES
from clarion.process.tables import ALL_PROCESSES
from clarion.run import folder
from clarion.run.config import TrainConfig, TrainingConfig


def main(arguments: list[str]) -> int:
    """Train, and say where the run stands; returns the exit status."""
    recipe, options, config = parse(arguments)
    return train("clarion train", recipe, options, config, prepare)


def parse(arguments: list[str]) -> tuple[str, Options, TrainingConfig]:
    """Recipe, options and settings from the words of the command line.

    Raises:
        ClarionError: for an unknown recipe, or none.
    """
    recipe = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if not recipe and not is_resumed(arguments) and not wants_help(arguments):
        raise ClarionError(f"Name a recipe: clarion train RECIPE. Known: {', '.join(RECIPES)}.")
    arguments, chosen = _take_process(arguments[1:] if recipe else arguments)
    options, config = parse_settings(
        arguments,
        Options,
        _default(recipe or _recipe_resumed(arguments), chosen),
        command=f"clarion train {recipe or 'RECIPE'}",
        description=f"Recipes: {', '.join(RECIPES)}. {__doc__}",
        chosen=chosen,
    )
    return recipe, options, config


def _default(recipe: str, chosen: Mapping[str, Any]) -> TrainingConfig:
    """The settings that flags change."""
    default = RECIPES[recipe]()
    if chosen and not isinstance(default, TrainConfig):
        raise ClarionError(f"The recipe {recipe!r} makes no noise: leave --process out.")
    return replace(default, **chosen)


def _recipe_resumed(arguments: list[str]) -> str:
    """The recipe of what a run is: of a baseline its own, else one of models."""
    run = resumed_run(arguments)
    if run is None or not run.exists() or folder.kind_of(run) != "baseline":
        return "images"
    return BASELINES.name_of(folder.read_baseline_config(run, ALL_TABLES).baseline)


def _take_process(arguments: list[str]) -> tuple[list[str], dict[str, Any]]:
    """Take `--process NAME` out of the words: which process it is decides what flags there are."""
    for place, word in enumerate(arguments):
        flag, equals, name = word.partition("=")
        if flag == "--process":
            name = name if equals else "".join(arguments[place + 1 : place + 2])
            rest = arguments[:place] + arguments[place + (1 if equals else 2) :]
            return rest, {"process": ALL_PROCESSES[name]()}
    return arguments, {}
