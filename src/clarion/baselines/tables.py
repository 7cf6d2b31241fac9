"""The names of the baselines that are trained and sampled by the commands of models."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from clarion.base.names import NameTable
from clarion.baselines.gan import GAN, AdversarialObjective
from clarion.baselines.vae import VAE, EvidenceObjective
from clarion.run.baseline_config import Baseline, BaselineConfig
from clarion.run.serialize import TABLES
from clarion.train.objective import Objective

BASELINES: NameTable[type[Baseline]] = NameTable("baseline", {"gan": GAN, "vae": VAE})

OBJECTIVES: Mapping[type[Baseline], Callable[[BaselineConfig], Objective[Any]]] = {
    GAN: AdversarialObjective,
    VAE: EvidenceObjective,
}
"""Kind of baseline -> what it is trained towards."""

BASELINE_TABLES = TABLES | {Baseline: BASELINES}
"""All that is needed to read a baseline from a file."""


def objective_of(config: BaselineConfig) -> Objective[Any]:
    """What a baseline is trained towards."""
    return OBJECTIVES[type(config.baseline)](config)
