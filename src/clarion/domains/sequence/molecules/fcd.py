"""Fréchet ChemNet distance: how far drawn molecules lie from real ones, as a network sees them.

The network is that of the package `fcd-torch`, which carries its weights; the distance between two
Gaussians is that of `clarion.evaluate`. Like every distance of its kind it is above 0 for two
halves of the same molecules, and the more so the fewer they are: numbers of different n are not
compared, and beside each stands what two halves of the reference give, its floor.

Source: Preuer et al. 2018, arXiv 1803.09518.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.evaluate.frechet import frechet_distance
from clarion.evaluate.moments import sample_moments
from clarion.run.examples import OnProgress

BATCH = 250


def features(smiles: Sequence[str], on_progress: OnProgress | None = None) -> Tensor:
    """What the network makes of molecules, (n, 512) float32.

    Args:
        smiles: valid ones, in whatever form; the network is given the canonical one.
        on_progress: called with (molecules done, molecules in all).

    Raises:
        ClarionError: if `fcd-torch` is not installed.
    """
    try:
        from fcd_torch import FCD
    except ImportError:
        raise ClarionError(
            "The Fréchet ChemNet distance needs the package fcd-torch. "
            "Install it with: pip install 'clarion[molecules]'"
        ) from None
    parts = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package is older than the numpy it stands on
        chemnet = FCD(device="cpu", batch_size=BATCH)
        for start in range(0, len(smiles), BATCH):
            parts.append(chemnet.get_predictions(list(smiles[start : start + BATCH])))
            if on_progress is not None:
                on_progress(min(start + BATCH, len(smiles)), len(smiles))
    return torch.from_numpy(np.concatenate(parts))


def distance(a: Tensor, b: Tensor) -> float:
    """The Fréchet distance of two sets of features, each (n, 512) with n at least 2."""
    return frechet_distance(*sample_moments(a), *sample_moments(b))
