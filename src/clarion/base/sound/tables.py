"""Names of what a model may see of a sound."""

from __future__ import annotations

from clarion.base.names import NameTable
from clarion.base.sound.complex_spectrogram import ComplexSpectrogram
from clarion.base.sound.log_mel import LogMel
from clarion.base.sound.sound_codec import SoundCodec
from clarion.base.sound.waveform import Waveform

SOUND_CODECS: NameTable[type[SoundCodec]] = NameTable(
    "codec of sound",
    {"complex_spectrogram": ComplexSpectrogram, "log_mel": LogMel, "waveform": Waveform},
)
