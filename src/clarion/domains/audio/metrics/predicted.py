"""What listeners would say of speech, predicted by networks that look at it alone.

A predicted score is no listening result; `clarion listen` makes those.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import sys
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.errors import ClarionError, DataError
from clarion.domains.audio.metrics.packages import needs_speech

RATE_HZ = 16_000
DNSMOS_S = 9.01
DNSMOS_SAMPLES = int(DNSMOS_S * RATE_HZ)
DNSMOS_OVERALL = (-0.06766283, 1.11546468, 0.04602535)
"""Polynomial that turns what the network says into a score, the highest power first."""


def dnsmos_ovrl(heard: NDArray[np.float64]) -> float:
    """DNSMOS P.835, overall quality, 1 to 5: mean over stretches of 9.01 s, one a second.

    Stretches are those of the package `speechmos`, whose network it is: what is shorter is doubled
    until it is not, and of the whole seconds int(seconds - 9.01) + 1 begin a stretch. Those of
    seconds 7 to 23 come out one sample short by rounding and are left out, as they are there.

    Raises:
        DataError: if there are no samples.

    Source: Reddy et al. 2022, arXiv 2110.01763.
    """
    if not len(heard):
        raise DataError("DNSMOS is not defined for a sound without samples.")
    session = _dnsmos()
    samples = heard
    while len(samples) < DNSMOS_SAMPLES:
        samples = np.concatenate([samples, samples])
    scores = []
    for second in range(int(len(samples) // RATE_HZ - DNSMOS_S) + 1):
        stretch = samples[second * RATE_HZ : int((second + DNSMOS_S) * RATE_HZ)]
        if len(stretch) < DNSMOS_SAMPLES:
            continue
        _, _, overall = session.run(None, {"input_1": stretch[None].astype(np.float32)})[0][0]
        scores.append(np.polyval(DNSMOS_OVERALL, overall))
    return float(np.mean(scores))


def distillmos(heard: NDArray[np.float64]) -> float:
    """DistillMOS, 1 to 5, of the package `distillmos`.

    Source: Stahl & Gamper 2025, arXiv 2502.05356.
    """
    with torch.inference_mode():
        return float(_distillmos()(torch.from_numpy(heard).float()[None]).mean())


@lru_cache(maxsize=1)
def _dnsmos() -> Any:
    try:
        import onnxruntime  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise needs_speech("DNSMOS", "onnxruntime") from None
    found = importlib.util.find_spec("speechmos")  # only its weights; it imports much that is not
    if found is None or found.origin is None:  # needed for them
        raise needs_speech("DNSMOS", "speechmos")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    weights = Path(found.origin).parent / "dnsmos_models" / "sig_bak_ovr.onnx"
    return onnxruntime.InferenceSession(str(weights), options, ["CPUExecutionProvider"])


@lru_cache(maxsize=1)
def _distillmos() -> torch.nn.Module:
    # It imports torchaudio for its own command only, which reads files; an empty module will do.
    is_missing = importlib.util.find_spec("torchaudio") is None
    if is_missing:
        sys.modules["torchaudio"] = ModuleType("torchaudio")
    try:
        with contextlib.redirect_stdout(io.StringIO()):  # it tells where its weights are
            from distillmos.sqa import (  # pyright: ignore[reportMissingImports]
                ConvTransformerSQAModel,
            )

            return ConvTransformerSQAModel().eval()
    except ImportError:
        raise ClarionError(
            "DistillMOS needs two packages, without what they say they need: "
            "pip install --no-deps distillmos==0.9.1 xls-r-sqa==0.1.0"
        ) from None
    finally:
        if is_missing:
            del sys.modules["torchaudio"]
