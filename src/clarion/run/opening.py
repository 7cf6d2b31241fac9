"""Where what was trained is found, on this machine or the hub, and how its weights are read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch
from torch import nn

from clarion.base.errors import CheckpointError
from clarion.denoise.asked import AskedNetwork
from clarion.run import folder
from clarion.run.averages import reconstruct_ema
from clarion.run.files import check_tensors, read_tensors

M = TypeVar("M", bound=AskedNetwork)


def locate(path: str | Path, step: int | None = None) -> tuple[Path, int | None]:
    """The folder that is meant, and the step of the checkpoint, if one is.

    Args:
        path: a folder, or a name on the hub; "RUN@4000" is the same as step=4000.
        step: the checkpoint that is wanted; None for the run's own weights.

    Raises:
        CheckpointError: if there is no such folder, here or on the hub.
    """
    place = Path(path).expanduser()
    name, _, number = str(path).rpartition("@")  # no "@" leaves no name
    if step is None and name and number.isdecimal() and not place.exists():
        place, path, step = Path(name).expanduser(), name, int(number)
    return (place if place.exists() else _from_hub(str(path))), step


def build_trained(
    build: Callable[[], M], place: Path, step: int | None = None, ema_width: float | None = None
) -> M:
    """What a config builds, with the weights of a folder; torch's random state is left as it was.

    Args:
        build: makes it, freshly initialised.
        place, step, ema_width: as those of `load_weights`.

    Raises:
        CheckpointError: if a file is missing, truncated, or holds other weights.
    """
    with torch.random.fork_rng(devices=[]):  # building draws weights that are replaced below
        made = build()
    load_weights(made.network, place, step, ema_width)
    return made


def load_weights(
    network: nn.Module, place: Path, step: int | None = None, ema_width: float | None = None
) -> None:
    """Read weights into a network, in place.

    Args:
        network: built from the folder's config.
        place: the folder.
        step: take the averaged weights that the run's checkpoint of this step holds.
        ema_width: relative width sigma_rel of the averaged weights, made from the averages that the
            run's checkpoints hold; None takes the width that the run keeps first.

    Raises:
        CheckpointError: if a file is missing, truncated, or holds other weights.
    """
    weights = read_tensors(place / folder.WEIGHTS)
    check_tensors(place / folder.WEIGHTS, weights, network.state_dict())
    if step is not None or ema_width is not None:
        averages = reconstruct_ema(place, ema_width, step)
        check_tensors(place, averages, dict(network.named_parameters()))
        weights |= averages  # buffers are constant
    network.load_state_dict(weights)


def _from_hub(name: str) -> Path:
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CheckpointError(f"There is no folder {name}.")
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        patterns = [folder.CONFIG, *folder.CODEC_FILES, folder.WEIGHTS]
        return Path(snapshot_download(name, allow_patterns=patterns))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"There is no folder {name}, and the hub has or serves no model of that name "
            f"({type(error).__name__})."
        ) from error
