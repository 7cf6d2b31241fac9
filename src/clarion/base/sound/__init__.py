"""Waveforms and what a model learns in their place: spectrograms, and the way back."""

from clarion.base.sound.complex_spectrogram import ComplexSpectrogram
from clarion.base.sound.log_mel import LogMel
from clarion.base.sound.spectrogram import Spectrogram
from clarion.base.sound.stft import STFT
from clarion.base.sound.tables import SPECTROGRAMS

__all__ = ["SPECTROGRAMS", "STFT", "ComplexSpectrogram", "LogMel", "Spectrogram"]
