"""Langevin dynamics: annealed Langevin sampling, and the predictor-corrector sampler.

At noise level s the score of y is (D - y) / s². A Langevin step of size delta s² is

    y <- y + delta/2 (D - y) + sqrt(delta) s z.

It leaves the level where it is and draws y towards its distribution there, up to a bias
proportional to delta: on Gaussian data of variance v the variance settles at
(v + s²) / (1 - delta k / 4), k = s² / (v + s²), instead of v + s².

Sources: Song & Ermon 2019, arXiv 1907.05600, algorithm 1; Jolicoeur-Martineau et al. 2020, arXiv
2009.05475, section 3.1 (the final denoising); Song et al. 2021, arXiv 2011.13456, algorithms 2, 4.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from clarion.base.options import check_number, check_whole
from clarion.sample.ancestral import ancestral_update
from clarion.sample.plan import Update
from clarion.sample.sampler import AffineSampler, final_update


def langevin_update(level: float, next_level: float, delta: float) -> Update:
    """One Langevin step at `level`; what it leaves is then taken to be at `next_level`."""
    return Update(level, next_level, 1 - delta / 2, (delta / 2,), math.sqrt(delta) * level)


@dataclass(frozen=True)
class AnnealedLangevinSampler(AffineSampler):
    """Annealed Langevin dynamics, the sampler of NCSN; made for the VE process.

    At each noise level of the grid but 0 it takes `steps_per_level` Langevin steps, and at the end
    it denoises: steps_per_level * num_steps + 1 evaluations. Its weak order, 1, is in `step_size`
    with the product of step_size and steps_per_level held: finer grids do not remove the bias.
    Between neighbouring levels the steps must be able to remove the difference, so the grid takes
    some hundred levels (the paper's models have up to 1000); a dozen leave the noise in.

    Args:
        steps_per_level: Langevin steps at each noise level.
        step_size: delta, in (0, 2]; the paper's epsilon / sigma_L², so its 2e-5 at sigma_L = 0.01
            is 0.2.
    """

    steps_per_level: int = 5
    step_size: float = 0.2

    def __post_init__(self) -> None:
        check_whole("steps_per_level", self.steps_per_level, 1)
        check_number("step_size", self.step_size, 1e-12, 2)

    @property
    def order(self) -> int:
        return 1

    @property
    def is_stochastic(self) -> bool:
        return True

    def updates(self, levels: list[float]) -> list[Update]:
        noisy = [level for level in levels if level > 0]
        updates: list[Update] = []
        for level, next_level in zip(noisy, [*noisy[1:], noisy[-1]], strict=True):
            stay = langevin_update(level, level, self.step_size)
            updates += [stay] * (self.steps_per_level - 1)
            updates.append(langevin_update(level, next_level, self.step_size))
        if levels[-1] == 0:
            updates.append(final_update(noisy[-1]))
        return updates


@dataclass(frozen=True)
class PredictorCorrectorSampler(AffineSampler):
    """Predictor-corrector sampling: an ancestral step, then Langevin steps at the level it reached.

    1 + corrector_steps evaluations a step, but one for the last. Weak order 1 as snr² falls along
    with the steps; at a fixed snr the corrector keeps its bias.

    Departure: the paper sizes a Langevin step by the norms of score and noise over the batch,
    epsilon = 2 (snr |z| / |score|)². Here it is by their expected ratio, epsilon = 2 (snr s)²: a
    sample must not depend on who else is in its batch.

    Args:
        corrector_steps: Langevin steps at each noise level.
        snr: signal-to-noise ratio of a Langevin step, in (0, 1]; the paper's 0.16 for VE.
    """

    corrector_steps: int = 1
    snr: float = 0.16

    def __post_init__(self) -> None:
        check_whole("corrector_steps", self.corrector_steps, 1)
        check_number("snr", self.snr, 1e-12, 1)

    @property
    def order(self) -> int:
        return 1

    @property
    def is_stochastic(self) -> bool:
        return True

    def updates(self, levels: list[float]) -> list[Update]:
        updates: list[Update] = []
        for level, next_level in pairwise(levels):
            updates.append(ancestral_update(level, next_level, eta=1.0))
            if next_level > 0:
                correct = langevin_update(next_level, next_level, 2 * self.snr**2)
                updates += [correct] * self.corrector_steps
        return updates
