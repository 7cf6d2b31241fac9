"""What the commands that train have in common: their flags, the folder of a run, and the run."""

# Annotations are evaluated here, not kept as text: those of `_read` are its arguments.

import hashlib
import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, TypeVar

import torch
import tyro

from clarion.base.errors import CheckpointError, ClarionError
from clarion.cli.progress import CountProgress, TrainProgress
from clarion.domains.image.recipes import NOT_NAMED
from clarion.domains.prepare import Prepared
from clarion.domains.tables import ALL_TABLES
from clarion.run import folder
from clarion.run.classifier_config import ClassifierConfig
from clarion.run.config import TrainingConfig
from clarion.run.device import choose_device
from clarion.run.examples import DataConfig, ExampleSet, Fitted
from clarion.run.serialize import to_json
from clarion.train.checkpoint import latest_checkpoint
from clarion.train.loop import Trainer

SHORT_FORMS = {
    "--data": "--data.source",
    "--validation": "--validation.source",
    "--size": "--data.size",
    "--resize": "--data.resize",
    "--channels": "--data.channels",
    "--split": "--data.split",
    "--skip-bad": "--data.skip-bad",
    "--conditions": "--data.conditions",
    "--column": "--data.column",
    "--length": "--data.length",
    "--alphabet": "--data.alphabet",
}


@dataclass(frozen=True)
class Options:
    """Beside the settings of the training itself.

    Args:
        out: folder of the run; by default runs/<name>-<time>-<hash of the settings>.
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

    def __post_init__(self) -> None:
        if self.stop_after is not None and self.stop_after < 1:
            raise ClarionError(f"stop_after must be at least 1, got {self.stop_after}.")


O = TypeVar("O")  # noqa: E741
C = TypeVar("C", bound=TrainingConfig)


def is_resumed(arguments: list[str]) -> bool:
    """Whether the words of the command line ask to go on with a run."""
    return any(word.split("=")[0] == "--resume" for word in arguments)


def resumed_run(arguments: list[str]) -> Path | None:
    """The run that the words of the command line ask to go on with."""
    for word, following in zip(arguments, [*arguments[1:], ""], strict=True):
        flag, equals, value = word.partition("=")
        if flag == "--resume" and (equals or following):
            return Path(value if equals else following)
    return None


def names_validation(arguments: list[str]) -> bool:
    """Whether the words of the command line say what to validate on."""
    return any(word.split("=")[0].split(".")[0] == "--validation" for word in arguments)


def wants_help(arguments: list[str]) -> bool:
    """Whether the words of the command line ask for help."""
    return any(word in ("-h", "--help") for word in arguments)


def parse_settings(
    arguments: list[str],
    options: type[O],
    default: C,
    *,
    command: str,
    description: str,
    chosen: Mapping[str, Any] = MappingProxyType({}),
) -> tuple[O, C]:
    """Options and settings from the words of the command line.

    Args:
        arguments: the words.
        options: a class of options.
        default: the settings that flags change.
        command: as it is typed.
        description: for its help.
        chosen: settings that were taken from the words before.

    Raises:
        ClarionError: for settings that cannot be, or any beside `--resume`.
    """

    read = partial(
        _read, [in_full(word, SHORT_FORMS) for word in arguments], options, command, description
    )
    if default.validation is not None or names_validation(arguments):
        data = default.data
        if not wants_help(arguments):  # they are like the data, for which there may be flags, too
            data = read(replace(default, validation=None), return_unknown_args=True)[0][1].data
        default = replace(default, validation=_to_validate(data, default))
    given, config = read(default)
    if is_resumed(arguments) and (chosen or config != _moved(default, config)):
        raise ClarionError(
            "A resumed training keeps its settings; beside --resume only --data and --validation "
            "may be given, to say where the same data are now."
        )
    if not is_resumed(arguments) and config.validation == config.data:
        raise ClarionError(
            "The data to validate on are those to train on: name others with --validation, or "
            "leave it out, and a part of the data is held out."
        )
    return given, _in_place(config)


def train(
    command: str,
    name: str,
    options: Options,
    config: C,
    prepare: Callable[[C, ExampleSet, Path | None], Prepared],
    fitted: Fitted | None = None,
    *,
    describes_data: bool = True,
) -> int:
    """Train, and say where the run stands; returns the exit status.

    Args:
        command: as it is typed, "clarion train".
        name: with which the run's folder begins.
        options: where, and how far.
        config: the settings; of a run that is resumed only the sources of data are taken from them.
        prepare: says what is trained, given the settings, the data, and the folder of the run where
            one is resumed.
        fitted: what the data of a new run are read by; None fits all on them.
        describes_data: whether a new run begins with a report on them.
    """
    device = torch.device(choose_device(options.device))
    is_new = options.resume is None
    if options.resume is not None:
        run = options.resume
        config = _moved(folder.read_train_config(run, ALL_TABLES, type(config)), config)
    else:
        if config.data.source == NOT_NAMED:
            raise ClarionError("Name the data: --data FILE, a folder, or a hub name.")
        run = options.out or Path("runs") / _run_name(name, config)
        if run.exists() and any(run.iterdir()):
            raise ClarionError(f"{run} exists and is not empty; go on with --resume {run}.")
    with CountProgress() as progress:
        examples = config.data.open(progress.count, fitted if is_new else fitted_of(run))
    described, codec, objective = prepare(config, examples, options.resume)
    validation = None
    if config.validation is not None:
        shape = codec.model_shape(examples.shape)
        fitted = Fitted(examples.condition_spec, shape, codec)
        with CountProgress() as progress:
            validation = config.validation.open(progress.count, fitted)
    trainer = Trainer(config, objective, examples, validation, codec, run, device)
    if is_new:
        folder.write_description(run, described, codec, config, ALL_TABLES)
    else:
        if folder.read_description(run, ALL_TABLES) != described:
            raise CheckpointError(
                f"The data no longer fit {run}: they give another shape or other classes than when "
                f"it was started."
            )
        checkpoint = latest_checkpoint(run)
        if checkpoint is not None:
            trainer.resume(checkpoint)
    with TrainProgress(run, config.num_steps, as_json=options.json) as progress:
        if is_new and describes_data:
            progress.describe(config.data.describe(examples))
        is_complete = trainer.train(progress.report, options.stop_after)
    done = f"Trained, {config.num_steps} steps"
    state = done if is_complete else f"Stopped at step {trainer.step}"
    hint = "" if is_complete else f"\nGo on with: {command} --resume {run}"
    print(f"{state}: {run}{hint}", file=sys.stderr if options.json else sys.stdout)
    return 0


def fitted_of(run: Path) -> Fitted:
    """What a model, a classifier or a baseline was trained with."""
    known = folder.read_description(run, ALL_TABLES)
    is_told = not isinstance(known, ClassifierConfig)
    spec = known.condition if is_told else {known.label: known.classes}
    return Fitted(spec, known.shape, folder.read_codec(run))


def _read(
    words: list[str], options: type, command: str, description: str, default: Any, **how: Any
) -> Any:
    """Options and settings, as tyro reads them; `how` is for it, too."""

    def collect(
        options: Annotated[options, tyro.conf.arg(name="")],  # pyright: ignore
        config: Annotated[type(default), tyro.conf.arg(name="")] = default,  # pyright: ignore
    ) -> tuple[Any, Any]:
        return options, config

    config = (tyro.conf.AvoidSubcommands,)
    return tyro.cli(
        collect, args=words, prog=command, description=description, config=config, **how
    )


def _to_validate(data: DataConfig, default: TrainingConfig) -> DataConfig:
    """What is validated on: like the data, but for what the default says of it in particular."""
    own = default.validation or default.data
    said = {f.name: getattr(own, f.name) for f in fields(own)}
    return replace(data, **{k: v for k, v in said.items() if v != getattr(default.data, k)})


def _moved(config: C, other: TrainingConfig) -> C:
    """The same settings, with the sources of data that others name."""
    if other.data.source != NOT_NAMED:
        config = replace(config, data=replace(config.data, source=other.data.source))
    if other.validation is not None and other.validation.source != NOT_NAMED:
        if config.validation is None:
            raise ClarionError(
                "This training holds out a part of its data; leave --validation out."
            )
        validation = replace(config.validation, source=other.validation.source)
        config = replace(config, validation=validation)
    return config


def _in_place(config: C) -> C:
    """The same settings, with paths in full, so that a run can be resumed from any folder."""

    def full(source: str) -> str:
        place = Path(source).expanduser()
        return str(place.resolve()) if place.exists() else source

    data, validation = config.data, config.validation
    if validation is not None:
        validation = replace(validation, source=full(validation.source))
    return replace(config, data=replace(data, source=full(data.source)), validation=validation)


def in_full(word: str, short_forms: Mapping[str, str]) -> str:
    """A word of the command line, with a flag of a short form written in full."""
    flag, equals, value = word.partition("=")
    return short_forms.get(flag, flag) + equals + value


def _run_name(name: str, config: TrainingConfig) -> str:
    settings = json.dumps(to_json(config, ALL_TABLES), sort_keys=True)
    digest = hashlib.sha256(settings.encode()).hexdigest()[:6]
    return f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{digest}"
