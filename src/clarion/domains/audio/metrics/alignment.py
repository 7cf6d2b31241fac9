"""Two recordings of the same, moved onto each other before they are compared."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError


def delay_samples(heard: NDArray[np.float64], clean: NDArray[np.float64], most: int) -> int:
    """By how much `heard` comes later than `clean`: where |sum_n heard[n + d] clean[n]| is largest.

    Args:
        heard: (time,).
        clean: (time,).
        most: greatest delay that is looked for, either way, in samples.
    """
    size = 1 << int(len(heard) + len(clean) - 1).bit_length()
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(clean, size))
    products = np.abs(np.fft.irfft(spectrum, size))
    later, earlier = min(most, len(heard) - 1), min(most, len(clean) - 1)
    delays = [*range(later + 1), *range(-1, -earlier - 1, -1)]
    return delays[int(np.argmax(products[delays]))]


def aligned(
    heard: NDArray[np.float64], clean: NDArray[np.float64], most: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], int]:
    """Both, cut to what they have in common once the delay is taken out, and the delay.

    Raises:
        DataError: if they have less than half of the shorter one in common.
    """
    delay = delay_samples(heard, clean, most)
    shorter = min(len(heard), len(clean))
    heard, clean = heard[max(0, delay) :], clean[max(0, -delay) :]
    common = min(len(heard), len(clean))
    if 2 * common < shorter:
        raise DataError(
            f"only {common} of {shorter} samples are common to both, at a delay of {delay}."
        )
    return heard[:common], clean[:common], delay
