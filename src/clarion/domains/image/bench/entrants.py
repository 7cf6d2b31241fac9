"""Who takes part, and how each is sampled."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from clarion.domains.image.baseline_recipes import ddpm_like, gan_like, ncsn_like, vae_like
from clarion.run.config import TrainConfig, TrainingConfig


@dataclass(frozen=True)
class Way:
    """One way to draw samples from a model.

    Args:
        name: of its files.
        title: what it is called in tables.
        settings: sampler, grid and num_steps, as `Model.sample` takes them; none of one pass.
    """

    name: str
    title: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Entrant:
    """One model.

    Args:
        name: of its folder.
        title: what it is called in tables.
        training: how it is trained, but for the number of steps.
        ways: how it is sampled.
        guidance: of which rule the best is taken, tried on the first of the ways; "" for none.
    """

    name: str
    title: str
    training: TrainingConfig
    ways: tuple[Way, ...]
    guidance: tuple[str, ...] = ("",)


def entrants(training: TrainConfig) -> tuple[Entrant, ...]:
    """Clarion's training, and those that are made like it."""
    return (
        Entrant(
            "clarion",
            "Clarion",
            training,
            (
                Way("12", "dpmpp_2m, 12 steps", {"num_steps": 12}),
                Way("6", "dpmpp_2m, 6 steps", {"num_steps": 6}),
            ),
            ("", "cfg:1.5@0.2-0.6", "cfg:2.5@0.2-0.6"),
        ),
        Entrant(
            "ddpm",
            "DDPM",
            ddpm_like(training),
            (
                Way(
                    "ddim",
                    "DDIM, 50 steps",
                    {"sampler": "ddim", "grid": "time_uniform", "num_steps": 50},
                ),
            ),
            ("", "cfg:1.5", "cfg:2.5"),
        ),
        Entrant(
            "ncsn",
            "NCSN++",
            ncsn_like(training),
            (
                Way(
                    "corrected",
                    "predictor-corrector, 100 steps",
                    {"sampler": "predictor_corrector", "grid": "time_uniform", "num_steps": 100},
                ),
                Way(
                    "langevin",
                    "annealed Langevin, 99 levels",
                    {
                        "sampler": "annealed_langevin:steps_per_level=2,step_size=0.4",
                        "grid": "time_uniform",
                        "num_steps": 99,
                    },
                ),
            ),
        ),
        # Of one pass there is no guidance, so neither has to learn what "absent" is.
        Entrant(
            "gan",
            "GAN (R3GAN)",
            replace(gan_like(training), condition_dropout=0.0),
            (Way("sample", "one pass"),),
        ),
        Entrant(
            "vae",
            "VAE",
            replace(vae_like(training), condition_dropout=0.0),
            (Way("sample", "one pass"),),
        ),
    )
