"""RePaint: DDPM that goes back up and down again, so that known and unknown parts agree."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from clarion.base.options import check_whole
from clarion.sample.ancestral import ancestral_update
from clarion.sample.plan import Update
from clarion.sample.sampler import AffineSampler


@dataclass(frozen=True)
class RePaintSampler(AffineSampler):
    """DDPM, each stretch of the way gone several times. Weak order 1.

    After a stretch of `jump_length` steps from level s_up to s', fresh noise brings the state back,

        y <- y + sqrt(s_up² - s'²) z,

    which leaves what has the distribution of the data as it was, and draws nearer to that what has
    not, such as a state beside known values that `Inpaint` has put in. With one pass it is DDPM; it
    costs num_steps num_resamples evaluations.

    Args:
        num_resamples: passes over each stretch, at least 1.
        jump_length: steps in a stretch, at least 1; the last stretch may be shorter.

    Departures from Lugmayr et al.: stretches are counted from the noise and all are resampled, also
    the first and the last; their known part gets fresh noise at every step, `Inpaint` carries its
    own along.

    Source: Lugmayr et al. 2022, arXiv 2201.09865, section 4.2 and appendix B.
    """

    num_resamples: int = 10
    jump_length: int = 10

    def __post_init__(self) -> None:
        check_whole("num_resamples", self.num_resamples, 1)
        check_whole("jump_length", self.jump_length, 1)

    @property
    def order(self) -> int:
        return 1

    @property
    def is_stochastic(self) -> bool:
        return True

    def updates(self, levels: list[float]) -> list[Update]:
        return list(self._updates(levels))

    def _updates(self, levels: list[float]) -> Iterator[Update]:
        for start in range(0, len(levels) - 1, self.jump_length):
            stretch = levels[start : start + self.jump_length + 1]
            down = [ancestral_update(s, s_next, 1.0) for s, s_next in pairwise(stretch)]
            for _ in range(self.num_resamples - 1):
                yield from down[:-1]
                yield jump(down[-1], stretch[0])
            yield from down


def jump(update: Update, level_up: float) -> Update:
    """The update, and from where it ends back up to a higher level by fresh noise."""
    added = level_up**2 - update.next_level**2
    return replace(update, next_level=level_up, noise=math.sqrt(update.noise**2 + added))
