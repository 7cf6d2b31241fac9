"""The file of numbers in which samples are kept (.npz), with what they were asked to be."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from clarion.base.condition import Condition


def write_sample_file(
    path: Path, samples: Tensor, indices: Sequence[int], condition: Condition, seed: int
) -> None:
    """Write `samples`, `indices`, `seed`, and condition_NAME, or of mixtures condition_NAME_1, ...

    Args:
        path: the file, ending in .npz; its folder is made if it is not there.
        samples: in data units, (n, *shape).
        indices: the number of each.
        condition: what was asked for, a row for each.
        seed: of the whole set.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    asked = [("", condition)]
    if condition.terms:
        asked = [(f"_{i}", term) for i, (_, term) in enumerate(condition.terms, 1)]
    arrays: dict[str, Any] = {
        f"condition_{name}{number}": value.numpy()
        for number, part in asked
        for name, value in part.values.items()
        if part.present[name].any()
    }
    if condition.terms:
        arrays["condition_weights"] = np.array([weight for weight, _ in condition.terms])
    arrays |= {"samples": samples.numpy(), "indices": np.array(indices)}
    partial = path.with_name(f".{path.stem}.partial.npz")
    np.savez(partial, seed=np.array(seed), **arrays)
    partial.replace(path)
