"""The names of the metrics of speech."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from clarion.base.names import NameTable
from clarion.domains.audio.metrics.perceptual import estoi, pesq_wb
from clarion.domains.audio.metrics.predicted import distillmos, dnsmos_ovrl
from clarion.domains.audio.metrics.si_sdr import si_sdr_db
from clarion.domains.audio.metrics.speaker import speaker_similarity

Samples: TypeAlias = NDArray[np.float64]
Measure: TypeAlias = Callable[[Samples, Samples], float]


@dataclass(frozen=True)
class SpeechMetric:
    """One metric.

    Args:
        measure: called with what is heard and the clean speech, both at 16 kHz and moved onto each
            other.
        note: its range, and what it is.
    """

    measure: Measure
    note: str


def _alone(measure: Callable[[Samples], float]) -> Measure:
    """A metric that looks at what is heard alone."""
    return lambda heard, clean: measure(heard)


SPEECH_METRICS: NameTable[SpeechMetric] = NameTable(
    "metric of speech",
    {
        "pesq": SpeechMetric(pesq_wb, "PESQ-WB, 1 to 4.64"),
        "estoi": SpeechMetric(estoi, "intelligibility, to 1"),
        "si_sdr": SpeechMetric(si_sdr_db, "dB"),
        "dnsmos": SpeechMetric(_alone(dnsmos_ovrl), "overall, 1 to 5, predicted"),
        "distillmos": SpeechMetric(_alone(distillmos), "1 to 5, predicted"),
        "speaker": SpeechMetric(speaker_similarity, "likeness of the voice, to 1"),
    },
)


def try_metrics(names: Iterable[str], speech: Samples) -> None:
    """Hold speech against itself, so that what is missing is told before work is done in vain.

    Args:
        names: of metrics.
        speech: (time,) at 16 kHz.

    Raises:
        ClarionError: if a package or the weights of a metric are missing.
    """
    for name in names:
        SPEECH_METRICS[name].measure(speech, speech)
