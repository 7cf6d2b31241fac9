"""How much louder the speech is than what is not part of it, whatever its level."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError

MOST_DB = 100.0
"""What is given for equal signals, and for all that differ by less than rounding."""


def si_sdr_db(heard: NDArray[np.float64], clean: NDArray[np.float64]) -> float:
    """10 log10(|a s|² / |a s - y|²) with a = (y . s) / |s|², for y heard and s clean, in dB.

    Both are taken without their means. At most 100 dB.

    Args:
        heard: (time,).
        clean: (time,), moved onto `heard`.

    Raises:
        DataError: if one of them is silent.

    Source: Le Roux et al. 2019, arXiv 1811.02508, equations 4 and 5.
    """
    y, s = heard - heard.mean(), clean - clean.mean()
    power = float(s @ s)
    if power == 0 or float(y @ y) == 0:
        raise DataError("SI-SDR is not defined for silence.")
    speech = float(y @ s) / power * s
    rest = speech - y
    ratio = float(speech @ speech) / max(float(rest @ rest), 1e-300)
    return min(10 * math.log10(max(ratio, 1e-30)), MOST_DB)
