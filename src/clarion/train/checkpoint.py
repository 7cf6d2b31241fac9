"""What is written so that a training can go on as if it had never stopped.

    steps/00010000/model.safetensors      weights
                   ema.safetensors        their averages
                   optimizer.safetensors  moments of Adam
                   state.json             step, precision, averages' widths, number of examples

There is no random state: all randomness of a step follows from the seed and the step's number. The
position in the data is the number of steps times the size of a batch.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clarion.base.errors import CheckpointError
from clarion.denoise.asked import AUTOCAST
from clarion.run.files import (
    check_tensors,
    read_json,
    read_tensors,
    write_folder,
    write_json,
    write_tensors,
)
from clarion.run.folder import WEIGHTS, checkpoint_folder, checkpoints
from clarion.run.serialize import from_json
from clarion.train.ema import EMA

EMA_FILE, OPTIMIZER, STATE = "ema.safetensors", "optimizer.safetensors", "state.json"


@dataclass(frozen=True)
class TrainState:
    """The small things a checkpoint holds.

    Args:
        step: optimiser steps done.
        precision: "float32" or "bfloat16", as measured when the training began.
        ema_widths: of the averages stored beside it.
        num_examples: size of the data, on which their order depends.
    """

    step: int
    precision: str
    ema_widths: tuple[float, ...]
    num_examples: int

    def __post_init__(self) -> None:
        AUTOCAST[self.precision]


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
    for left_by_a_kill in (run / "steps").glob(".*.partial"):
        shutil.rmtree(left_by_a_kill, ignore_errors=True)


def latest_checkpoint(run: Path) -> Path | None:
    """The newest checkpoint that can be resumed from; None if the run stopped before its first.

    Raises:
        CheckpointError: if there are checkpoints, but none is complete.
    """
    found = checkpoints(run)
    whole = [folder for folder in found if (folder / OPTIMIZER).is_file()]
    if found and not whole:
        raise CheckpointError(f"{run / 'steps'} holds no complete checkpoint to resume from.")
    return whole[-1] if whole else None


def load_checkpoint(
    folder: Path, network: nn.Module, ema: EMA, optimizer: torch.optim.Optimizer
) -> TrainState:
    """Take back what `save_checkpoint` wrote, in place.

    Raises:
        CheckpointError: if a file is missing, truncated, or holds other tensors than expected.
    """
    state = from_json(TrainState, read_json(folder / STATE), str(folder / STATE))
    weights, averages, moments = (
        read_tensors(folder / name) for name in (WEIGHTS, EMA_FILE, OPTIMIZER)
    )
    check_tensors(folder / WEIGHTS, weights, network.state_dict())
    check_tensors(folder / EMA_FILE, averages, ema.tensors())
    check_tensors(folder / OPTIMIZER, moments, _expected_moments(optimizer))
    network.load_state_dict(weights)
    ema.load(averages)
    _load_optimizer(optimizer, moments)
    return state


def _optimizer_tensors(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    return {
        f"{number}.{name}": value
        for number, (_, parameter) in enumerate(_parameters(optimizer))
        for name, value in optimizer.state[parameter].items()
    }


def _expected_moments(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What is kept of each parameter, in the memory layout that the fused step of Adam needs."""
    expected: dict[str, Tensor] = {}
    for number, (group, parameter) in enumerate(_parameters(optimizer)):
        if "momentum" in group:  # of Muon
            expected[f"{number}.momentum_buffer"] = torch.zeros_like(parameter)
            continue
        expected[f"{number}.step"] = torch.zeros((), device=parameter.device)
        expected[f"{number}.exp_avg"] = torch.zeros_like(parameter)
        expected[f"{number}.exp_avg_sq"] = torch.zeros_like(parameter)
    return expected


def _load_optimizer(optimizer: torch.optim.Optimizer, moments: Mapping[str, Tensor]) -> None:
    parameters = [parameter for _, parameter in _parameters(optimizer)]
    for key, tensor in _expected_moments(optimizer).items():
        number, _, name = key.partition(".")
        # Copied into place, not taken as read: a file holds rows first, a picture network's weights
        # lie channels last, and the fused step walks both through memory in one go.
        optimizer.state[parameters[int(number)]][name] = tensor.copy_(moments[key])


def _parameters(optimizer: torch.optim.Optimizer) -> list[tuple[dict[str, Any], nn.Parameter]]:
    """All parameters in their order, each with its group."""
    return [(group, p) for group in optimizer.param_groups for p in group["params"]]
