"""`clarion train-classifier MODEL`: train a classifier of noisy data, by which to steer a model.

MODEL is a run or a saved model, of pictures or of sequences: process, units or vocabulary, shape
and classes are its own. The data are those of the run, or named by `--data`, with the short forms
that `clarion train` has (`--size`, `--resize`, `--split`, `--conditions`, ...). Every setting is a
flag (`--network.dropout`). What comes out steers the model: `clarion sample MODEL --guidance
classifier:RUN:2 --condition label=3`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from clarion.base.errors import ClarionError
from clarion.cli.training import (
    Options,
    fitted_of,
    is_resumed,
    parse_settings,
    train,
    wants_help,
)
from clarion.domains.prepare import Prepared
from clarion.domains.tables import RECIPES, data_of
from clarion.run import folder
from clarion.run.classifier_config import ClassifierConfig, ClassifierTrainConfig
from clarion.run.examples import ExampleSet
from clarion.run.opening import locate
from clarion.train.classify import ClassifierObjective, check_examples


@dataclass(frozen=True)
class ClassifierOptions(Options):
    """Beside the settings of the training itself.

    Args:
        label: which of the model's conditions the classifier tells, if several are labels.
    """

    label: str | None = None


def main(arguments: list[str]) -> int:
    """Train, and say where the run stands; returns the exit status."""
    place, options, config = parse(arguments)

    def prepare(config: ClassifierTrainConfig, examples: ExampleSet, run: Path | None) -> Prepared:
        source = run or place
        assert source is not None, "without a run to go on with, there is a model"
        if run is None:
            model = folder.read_model_config(source)
            classifier = ClassifierConfig.of_model(model, config.network, options.label)
        else:
            classifier = folder.read_classifier_config(run)
        codec = folder.read_codec(source)
        check_examples(classifier, examples, codec)
        return Prepared(classifier, codec, ClassifierObjective(classifier, codec, config.noise))

    fitted = None if place is None else fitted_of(place)
    return train("clarion train-classifier", "classifier", options, config, prepare, fitted)


def parse(
    arguments: list[str],
) -> tuple[Path | None, ClassifierOptions, ClassifierTrainConfig]:
    """The model's folder, options and settings from the words of the command line.

    Raises:
        ClarionError: if no model is named, or it has no label to tell.
    """
    name = arguments[0] if arguments and not arguments[0].startswith("-") else ""
    if not name and not is_resumed(arguments) and not wants_help(arguments):
        raise ClarionError("Name a run or a saved model: clarion train-classifier MODEL.")
    if name and is_resumed(arguments):
        raise ClarionError(f"A resumed training knows its model; leave {name} out.")
    place = locate(name)[0] if name else None
    options, config = parse_settings(
        arguments[1:] if name else arguments,
        ClassifierOptions,
        ClassifierTrainConfig(RECIPES["images"]().data) if place is None else settings_for(place),
        command=f"clarion train-classifier {name or 'MODEL'}",
        description=__doc__ or "",
    )
    if place is not None:  # what cannot be is refused before the data are read
        ClassifierConfig.of_model(folder.read_model_config(place), config.network, options.label)
    return place, options, config


def settings_for(place: Path) -> ClassifierTrainConfig:
    """Settings for the model in a folder: with the data of its run, or data like its samples."""
    return ClassifierTrainConfig.for_model(folder.read_model_config(place), *data_of(place))
