"""Waveforms and what a model learns in their place: spectrograms, and the way back."""

from clarion.base.sound.complex_spectrogram import ComplexSpectrogram
from clarion.base.sound.log_mel import LogMel
from clarion.base.sound.sound_codec import SoundCodec
from clarion.base.sound.stft import STFT
from clarion.base.sound.tables import SOUND_CODECS
from clarion.base.sound.waveform import Waveform

__all__ = ["SOUND_CODECS", "STFT", "ComplexSpectrogram", "LogMel", "SoundCodec", "Waveform"]
