"""Metrics that hold speech against its clean form: PESQ and ESTOI."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.domains.audio.metrics.packages import needs_speech

RATE_HZ = 16_000


def pesq_wb(heard: NDArray[np.float64], clean: NDArray[np.float64]) -> float:
    """PESQ of wide-band speech, 1.0 to 4.64, as the package `pesq` computes it.

    Raises:
        DataError: if no speech is found, or there is less than a quarter of a second.

    Source: ITU-T P.862.2 (2007).
    """
    try:
        import pesq  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise needs_speech("PESQ", "pesq") from None
    try:
        return float(pesq.pesq(RATE_HZ, clean, heard, "wb"))
    except pesq.NoUtterancesError:
        raise DataError("PESQ finds no speech in it.") from None
    except pesq.PesqError as error:
        raise DataError(f"PESQ cannot be computed: {error}.") from None


def estoi(heard: NDArray[np.float64], clean: NDArray[np.float64]) -> float:
    """Extended short-time objective intelligibility, at most 1, as `pystoi` computes it.

    Raises:
        DataError: if there is less than 0.4 s of speech.

    Source: Jensen & Taal 2016, doi 10.1109/TASLP.2016.2585878.
    """
    try:
        from pystoi import stoi
    except ImportError:
        raise needs_speech("ESTOI", "pystoi") from None
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        try:
            return float(stoi(clean, heard, RATE_HZ, extended=True))
        except RuntimeWarning:
            raise DataError("ESTOI needs at least 0.4 s of speech.") from None
