"""Averages of the weights that a run has stored, and the average of any width made of them.

A power-function average of width sigma_rel weighs the weights theta of step tau, at step t, by
(gamma + 1) / t (tau / t)^gamma, so that its width grows with the training:

    sigma_rel = (gamma + 1)^(1/2) (gamma + 2)^-1 (gamma + 3)^(-1/2)

Two such averages, stored at some steps, determine that of any other width to good accuracy: it is
their least-squares combination. Source: Karras et al. 2024, arXiv 2312.02696, section 3 and
appendix C.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from clarion.base.errors import CheckpointError, ClarionError
from clarion.run.files import check_tensors, read_json, read_tensors
from clarion.run.folder import checkpoints

LARGEST_PROFILE_ERROR = 0.2


def gamma_of(sigma_rel: float) -> float:
    """The exponent of the profile of relative width `sigma_rel`, in (0, 0.25].

    The positive root of (gamma + 2)² (gamma + 3) = (gamma + 1) / sigma_rel².
    """
    if not 0 < sigma_rel <= 0.25:
        raise ClarionError(f"sigma_rel must be in (0, 0.25], got {sigma_rel}.")
    roots = np.roots([1, 7, 16 - sigma_rel**-2, 12 - sigma_rel**-2])
    return float(max(roots.real))


def profile_product(
    gamma_a: np.ndarray, step_a: np.ndarray, gamma_b: np.ndarray, step_b: np.ndarray
) -> np.ndarray:
    """Inner product of two profiles: the integral over tau of p_a(tau) p_b(tau).

    = (gamma_a + 1)(gamma_b + 1) / ((gamma_a + gamma_b + 1) max(t_a, t_b)) (min / max)^gamma
    with the gamma of the profile that ends later. Source: Karras et al. 2024, equation 126 ff.
    """
    ratio = step_a / step_b
    gamma_of_later = np.where(step_a < step_b, gamma_b, gamma_a)
    shrink = np.minimum(ratio, 1 / ratio) ** gamma_of_later
    later = np.maximum(step_a, step_b)
    return (gamma_a + 1) * (gamma_b + 1) / ((gamma_a + gamma_b + 1) * later) * shrink


def solve_profile(
    stored: Iterable[tuple[float, int]], sigma_rel: float, step: int
) -> tuple[np.ndarray, float]:
    """Weights with which stored averages add up to the average of another width.

    Departure: the weights sum to 1. Without that constraint the best fit of a width far from those
    stored, out of few checkpoints, shrinks the network: by half at 0.25 out of one checkpoint.

    Args:
        stored: (sigma_rel, step) of each stored average.
        sigma_rel: the width that is wanted.
        step: the step at which it is wanted.

    Returns:
        The weights, and the length of what they leave of the profile, relative to the profile's.
    """
    widths, steps = (np.array(column, dtype=np.float64) for column in zip(*stored, strict=True))
    gammas = np.array([gamma_of(width) for width in widths])
    gram = profile_product(gammas[:, None], steps[:, None], gammas[None], steps[None])
    gamma, at = np.array(gamma_of(sigma_rel)), np.array(float(step))
    wanted = profile_product(gammas, steps, gamma, at)
    # The least squares under the constraint, with its Lagrange multiplier as a last unknown. Inner
    # products are of size 1 / step; times the step, all rows are of one size.
    ones = np.ones((len(gammas), 1))
    system = np.block([[gram * step, ones], [ones.T, np.zeros((1, 1))]])
    weights = np.linalg.lstsq(system, np.append(wanted * step, 1.0), rcond=None)[0][:-1]
    square = float(profile_product(gamma, at, gamma, at))
    rest = square - 2 * weights @ wanted + weights @ gram @ weights
    return weights, math.sqrt(max(0.0, rest) / square)


def reconstruct_ema(
    run: Path, sigma_rel: float | None = None, step: int | None = None
) -> dict[str, Tensor]:
    """The averaged weights of any width, from the averages stored in a run's checkpoints.

    Args:
        run: the folder of the run.
        sigma_rel: the width that is wanted; None for the first of those stored.
        step: the step at which it is wanted, one of those stored; None for the last of them.

    Returns:
        The network's parameters by name.

    Raises:
        CheckpointError: if there are no such checkpoints, or they hold other tensors.
    """
    steps = [int(folder.name) for folder in checkpoints(run)]
    if not steps or (step is not None and step not in steps):
        wanted = "to average" if step is None else f"of step {step}"
        known = ", ".join(map(str, steps)) or "none"
        raise CheckpointError(f"{run / 'steps'} holds no checkpoint {wanted}. Stored: {known}.")
    last = steps[-1] if step is None else step
    folders = [folder for folder in checkpoints(run) if int(folder.name) <= last]
    stored = [
        (width, int(f.name), f)
        for f in folders
        for width in read_json(f / "state.json")["ema_widths"]
    ]
    if sigma_rel is None:
        sigma_rel = float(read_json(folders[-1] / "state.json")["ema_widths"][0])
    weights, error = solve_profile([(w, s) for w, s, _ in stored], sigma_rel, last)
    if error > LARGEST_PROFILE_ERROR:
        widths = ", ".join(map(str, sorted({width for width, _, _ in stored})))
        raise CheckpointError(
            f"The average of width {sigma_rel} cannot be made of those stored in {run}, of widths "
            f"{widths}: the best fit leaves {error:.0%} of its profile. More checkpoints reach "
            f"further."
        )
    total: dict[str, Tensor] = {}
    for (width, _, f), weight in zip(stored, weights, strict=True):
        prefix = f"{width}/"
        part = {
            name.removeprefix(prefix): tensor.double()
            for name, tensor in read_tensors(f / "ema.safetensors").items()
            if name.startswith(prefix)
        }
        total = total or {name: torch.zeros_like(tensor) for name, tensor in part.items()}
        check_tensors(f / "ema.safetensors", part, total)
        for name, tensor in part.items():
            total[name] += float(weight) * tensor
    if not all(math.isfinite(float(t.sum())) for t in total.values()):
        raise CheckpointError(f"The averages stored in {run} are not finite.")
    return {name: tensor.float() for name, tensor in total.items()}
