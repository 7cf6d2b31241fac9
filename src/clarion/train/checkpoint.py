"""What is written so that a training can go on as if it had never stopped.

    steps/00010000/model.safetensors      weights
                   ema.safetensors        their averages
                   optimizer.safetensors  moments of Adam
                   state.json             step, precision, widths of the averages

There is no random state: all randomness of a step follows from the seed and the step's number. The
position in the data is the number of steps times the size of a batch.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from clarion.base.errors import CheckpointError
from clarion.run.files import (
    check_tensors,
    read_json,
    read_tensors,
    write_folder,
    write_json,
    write_tensors,
)
from clarion.run.folder import WEIGHTS, checkpoint_folder, checkpoints
from clarion.train.ema import EMA

EMA_FILE, OPTIMIZER, STATE = "ema.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class TrainState:
    """The small things a checkpoint holds.

    Args:
        step: optimiser steps done.
        precision: "float32" or "bfloat16", as measured when the training began.
        ema_widths: of the averages stored beside it.
    """

    step: int
    precision: str
    ema_widths: tuple[float, ...]


def save_checkpoint(
    run: Path,
    state: TrainState,
    network: nn.Module,
    ema: EMA,
    optimizer: torch.optim.Optimizer,
    keep: int,
) -> None:
    """Write the checkpoint of a step and the run's model file; thin out older checkpoints.

    Whatever goes wrong, checkpoints written before stay whole.

    Args:
        run: the folder of the run.
        keep: how many of the newest stay complete; of older ones the averages stay.
    """

    def write(folder: Path) -> None:
        write_tensors(folder / WEIGHTS, network.state_dict())
        write_tensors(folder / EMA_FILE, ema.tensors())
        write_tensors(folder / OPTIMIZER, _optimizer_tensors(optimizer))
        write_json(folder / STATE, asdict(state))

    write_folder(checkpoint_folder(run, state.step), write)
    write_tensors(run / WEIGHTS, ema.state_dict())
    for old in checkpoints(run)[:-keep]:
        (old / OPTIMIZER).unlink(missing_ok=True)
        (old / WEIGHTS).unlink(missing_ok=True)


def latest_checkpoint(run: Path) -> Path:
    """The newest checkpoint that can be resumed from.

    Raises:
        CheckpointError: if there is none.
    """
    whole = [folder for folder in checkpoints(run) if (folder / OPTIMIZER).is_file()]
    if not whole:
        raise CheckpointError(f"{run / 'steps'} holds no checkpoint to resume from.")
    return whole[-1]


def load_checkpoint(
    folder: Path, network: nn.Module, ema: EMA, optimizer: torch.optim.Optimizer
) -> TrainState:
    """Take back what `save_checkpoint` wrote, in place.

    Raises:
        CheckpointError: if a file is missing, truncated, or holds other tensors than expected.
    """
    content = read_json(folder / STATE)
    try:
        state = TrainState(content["step"], content["precision"], tuple(content["ema_widths"]))
    except (KeyError, TypeError) as error:
        raise CheckpointError(f"{folder / STATE} lacks {error}.") from None
    weights, averages = read_tensors(folder / WEIGHTS), read_tensors(folder / EMA_FILE)
    check_tensors(folder / WEIGHTS, weights, network.state_dict())
    check_tensors(folder / EMA_FILE, averages, ema.tensors())
    network.load_state_dict(weights)
    ema.load(averages)
    _load_optimizer(optimizer, read_tensors(folder / OPTIMIZER), folder / OPTIMIZER)
    return state


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{number}.{name}": value
        for number, values in optimizer.state_dict()["state"].items()
        for name, value in values.items()
    }


def _load_optimizer(
    optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], where: Path
) -> None:
    content = optimizer.state_dict()
    numbers = [number for group in content["param_groups"] for number in group["params"]]
    state: dict[int, dict[str, Tensor]] = {number: {} for number in numbers}
    for key, tensor in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = tensor
    names = {"step", "exp_avg", "exp_avg_sq"}
    if set(state) != set(numbers) or any(set(values) != names for values in state.values()):
        raise CheckpointError(f"{where} does not hold the moments of this network's weights.")
    optimizer.load_state_dict(content | {"state": state})
