"""Names of what a model may see of a sound."""

from __future__ import annotations

from clarion.base.names import NameTable
from clarion.base.sound.complex_spectrogram import ComplexSpectrogram
from clarion.base.sound.log_mel import LogMel
from clarion.base.sound.spectrogram import Spectrogram

SPECTROGRAMS: NameTable[type[Spectrogram]] = NameTable(
    "spectrogram", {"complex_spectrogram": ComplexSpectrogram, "log_mel": LogMel}
)
