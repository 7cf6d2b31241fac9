"""What a training makes of its data."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from clarion.base.codec import Codec
from clarion.baselines.tables import objective_of
from clarion.run import folder
from clarion.run.baseline_config import BaselineTrainConfig
from clarion.run.config import TrainConfig, TrainingConfig
from clarion.run.examples import ExampleSet
from clarion.train.objective import DenoisingObjective, Objective


class Prepared(NamedTuple):
    """What is trained, once the data are open.

    Args:
        described: what comes out of it.
        codec: between the units of the data and those of the model.
        objective: its loss.
    """

    described: folder.Described
    codec: Codec
    objective: Objective[Any]


def prepare(config: TrainingConfig, examples: ExampleSet, run: Path | None) -> Prepared:
    """A model or a baseline of these examples; a resumed run keeps the units it was started with.

    Args:
        config: the training, of anything but a classifier.
        examples: to train on.
        run: the folder of the run that is resumed; None for a new one.
    """
    fit = config.data.fit_codec
    codec = fit(examples) if run is None else folder.read_codec(run)
    if isinstance(config, BaselineTrainConfig):
        baseline = config.of_examples(examples, codec)
        return Prepared(baseline, codec, objective_of(baseline))
    assert isinstance(config, TrainConfig), "classifiers have a command of their own"
    model = config.of_examples(examples, codec)
    return Prepared(model, codec, DenoisingObjective(model, config.loss))
