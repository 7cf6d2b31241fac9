"""What is done to clean speech to make it noisy: the config that is saved with a run."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from clarion.base.errors import DataError

NOISY_DBFS = -25.0
"""Root mean square at which noisy recordings are heard, as a whole: a model knows one level."""


@dataclass(frozen=True)
class Noise:
    """Which noise is mixed in, and how loud.

    Args:
        kinds: "white"; "pink", whose power falls by 3 dB an octave; "babble", other sounds of the
            set, of other speakers where there is a column `speaker`; "shaped", noise of a random
            spectrum that comes and goes.
        folder: of one's own recordings of noise, which are then one more kind; None for none.
        snr_db: lowest and highest power of the speech over that of the noise, of whole recordings.
        voices: fewest and most of a babble.
        t60_s: shortest and longest reverberation time of a room; None for no room. What shall come
            out stays dry.
        cut_hz: lowest and highest frequency above which nothing is left of the noisy sound; None
            leaves all. What shall come out stays whole.
    """

    kinds: tuple[Literal["white", "pink", "babble", "shaped"], ...] = (
        *("white", "pink"),
        *("babble", "shaped"),
    )
    folder: str | None = None
    snr_db: tuple[float, float] = (-5.0, 20.0)
    voices: tuple[int, int] = (3, 6)
    t60_s: tuple[float, float] | None = None
    cut_hz: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if not self.kinds and self.folder is None:
            raise DataError("There is no noise: name kinds, or a folder.")
        for name, least in (("snr_db", -math.inf), ("voices", 1), ("t60_s", 0), ("cut_hz", 0)):
            ends = getattr(self, name)
            if ends is None:
                continue
            low, high = ends
            is_low = low < least or (low == 0 and name != "snr_db")
            if is_low or not low <= high or not math.isfinite(low) or not math.isfinite(high):
                raise DataError(
                    f"{name} must be the least and the greatest, both finite"
                    f"{'' if name == 'snr_db' else ' and above 0'}, got {ends}."
                )
