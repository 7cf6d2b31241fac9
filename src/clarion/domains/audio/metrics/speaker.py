"""Whether the voice is still that of the same person."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clarion.base.errors import ClarionError, DataError

RATE_HZ = 16_000
SILENCE = 1e-5
"""Samples up to this, -100 dBFS, are no voice."""


def speaker_similarity(heard: NDArray[np.float64], clean: NDArray[np.float64]) -> float:
    """Cosine of the angle between two voices, at most 1, as the package `resemblyzer` hears them.

    Raises:
        DataError: if there is no voice in one of them.

    Source: Wan et al. 2018, arXiv 1710.10467.
    """
    one, other = _voice(heard), _voice(clean)
    return float(one @ other)


def _voice(samples: NDArray[np.float64]) -> NDArray[np.float32]:
    """A vector of length 1."""
    encoder, prepare = _encoder()
    is_heard = np.abs(samples).max(initial=0) > SILENCE
    voiced = prepare(samples.astype(np.float32), source_sr=RATE_HZ) if is_heard else samples[:0]
    if not len(voiced):
        raise DataError("There is no voice in it.")
    return encoder.embed_utterance(voiced)


@lru_cache(maxsize=1)
def _encoder() -> tuple[Any, Any]:
    """The network, and what finds the voice in a sound."""
    try:
        from resemblyzer import (  # pyright: ignore[reportMissingImports]
            VoiceEncoder,
            preprocess_wav,
        )
    except ImportError:
        raise ClarionError(
            "The similarity of speakers needs packages that do not install as they say they do: "
            "pip install librosa webrtcvad-wheels && pip install --no-deps resemblyzer==0.1.4"
        ) from None
    return VoiceEncoder("cpu", verbose=False), preprocess_wav
