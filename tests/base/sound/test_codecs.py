"""Codecs of sound: exact where they say so, of unit scale, and saved with a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.sound import STFT, ComplexSpectrogram, LogMel, Waveform
from clarion.base.sound.mel import mel_filters
from clarion.base.sound.phase import with_phases
from clarion.run.folder import read_codec, write_codec

SIZES = {"sample_rate_hz": 8000, "num_samples": 1000, "window_samples": 128, "hop_samples": 64}


def tones(n: int = 4, num_samples: int = 1000) -> torch.Tensor:
    """Harmonic sounds of several pitches, swelling and fading."""
    t = torch.arange(num_samples, dtype=torch.float64) / 8000
    pitch_hz = torch.linspace(150, 320, n, dtype=torch.float64)[:, None, None]
    harmonics = torch.arange(1, 11, dtype=torch.float64)[None, :, None]
    waves = torch.sin(2 * torch.pi * pitch_hz * harmonics * t) / harmonics
    return 0.2 * waves.sum(1) * torch.sin(torch.pi * t / t[-1]) + 1e-3 * torch.randn(n, num_samples)


@pytest.mark.parametrize("exponent", [0.3, 0.5, 1.0])
def test_a_complex_spectrogram_gives_the_waveform_back(exponent):
    waveforms = tones()
    codec = ComplexSpectrogram(**SIZES, exponent=exponent).fitted([waveforms])
    x0 = codec.encode(waveforms)
    assert tuple(x0.shape[1:]) == codec.model_shape((1000,)) == (2, 65, 17)
    torch.testing.assert_close(codec.decode(x0), waveforms, rtol=0, atol=1e-12)
    single = codec.decode(codec.encode(waveforms.float()))
    torch.testing.assert_close(single, waveforms.float(), rtol=0, atol=1e-6)
    assert float(x0.square().mean()) == pytest.approx(1.0, abs=1e-9)


def test_a_waveform_is_its_samples_at_unit_scale():
    waveforms = tones()
    codec = Waveform(8000, 1000).fitted([waveforms[:1], waveforms[1:]])
    assert codec.scale == pytest.approx(float(waveforms.square().mean().sqrt()), rel=1e-6)
    x0 = codec.encode(waveforms)
    assert tuple(x0.shape[1:]) == codec.model_shape((1000,)) == (1, 1000)
    torch.testing.assert_close(x0[:, 0] * codec.scale, waveforms)
    torch.testing.assert_close(codec.decode(x0), waveforms)


def test_magnitudes_are_compressed_and_phases_kept():
    waveforms, stft = tones(), STFT(128, 64)
    codec = ComplexSpectrogram(**SIZES, exponent=0.5, scale=2.0)
    parts, spectra = codec.encode(waveforms), stft.analyse(waveforms)
    x = torch.complex(parts[:, 0], parts[:, 1])
    torch.testing.assert_close(x.abs() * 2, spectra.abs().sqrt())
    torch.testing.assert_close(x * spectra.abs().sqrt() * 2, spectra)


def test_silence_is_zero_and_has_finite_slopes():
    codec = ComplexSpectrogram(**SIZES)
    silence = torch.zeros(1, 1000, requires_grad=True)
    x0 = codec.encode(silence)
    assert (x0 == 0).all()
    codec.decode(x0).sum().backward()
    assert silence.grad is not None
    assert not silence.grad.isnan().any()


def test_log_mel_is_the_level_in_each_band():
    waveforms = tones()
    codec = LogMel(**SIZES, num_bands=12).fitted([waveforms[:2], waveforms[2:]])
    powers = STFT(128, 64).analyse(waveforms).abs().square()
    levels = 10 * (mel_filters(8000, 128, 12) @ powers).log10()
    floor = -70 + 10 * mel_filters(8000, 128, 12).amax(1)[:, None].log10()
    levels = torch.maximum(levels, floor)
    mean = levels.mean((0, 2), keepdim=True)
    std = levels.std((0, 2), correction=0, keepdim=True)
    torch.testing.assert_close(codec.encode(waveforms)[:, 0], (levels - mean) / std)


def test_a_waveform_is_found_that_has_the_levels():
    waveforms = tones()
    codec = LogMel(**SIZES, num_bands=20).fitted([waveforms])
    x0 = codec.encode(waveforms)
    found = codec.decode(x0)
    assert found.shape == waveforms.shape
    error_db = (codec.encode(found) - x0) * torch.tensor(codec.std)[:, None]
    assert float(error_db.abs().mean()) < 1.0  # of levels over some 60 dB
    torch.testing.assert_close(codec.decode(x0[1:2]), found[1:2])  # whatever the batch


def test_an_empty_band_is_left_as_it_is():
    t = torch.arange(1000) / 8000
    sine = 0.3 * torch.sin(2 * torch.pi * 440 * t)[None] * torch.hann_window(1000)
    codec = LogMel(**SIZES, num_bands=12).fitted([sine])
    assert codec.std[-1] == 1.0
    assert codec.encode(sine)[0, 0, -1].abs().max() < 1e-4


def test_phases_are_found_that_fit_together():
    stft, waveforms = STFT(128, 32), tones()
    magnitudes = stft.analyse(waveforms).abs()

    def misfit(rounds: int) -> float:
        found = stft.analyse(with_phases(magnitudes, stft, 1000, rounds)).abs()
        return float((found - magnitudes).norm() / magnitudes.norm())

    assert misfit(60) < 0.1 < 0.3 < misfit(0)


@pytest.mark.parametrize(
    "codec",
    [
        ComplexSpectrogram(**SIZES, scale=0.25),
        LogMel(**SIZES, num_bands=12),
        Waveform(8000, 1000),
    ],
)
def test_codecs_are_saved_with_the_model(codec, tmp_path):
    codec = codec.fitted([tones()])
    write_codec(tmp_path, codec)
    assert read_codec(tmp_path) == codec


def test_what_cannot_be_is_refused():
    with pytest.raises(ClarionError, match="mel bands are narrower than a bin of 62"):
        LogMel(**SIZES, num_bands=120)
    with pytest.raises(ClarionError, match="All sounds are silent"):
        ComplexSpectrogram(**SIZES).fitted([torch.zeros(2, 1000)])
    with pytest.raises(ClarionError, match=r"All sounds are silent \(below -70 dBFS"):
        LogMel(**SIZES, num_bands=12).fitted([torch.zeros(2, 1000)])
    with pytest.raises(ClarionError, match="All sounds are silent"):
        Waveform(8000, 1000).fitted([torch.zeros(2, 1000)])
    with pytest.raises(ClarionError, match="waveform was fitted on"):
        Waveform(8000, 1000).encode(torch.zeros(2, 999))
    with pytest.raises(ClarionError, match="must have 1000 samples"):
        ComplexSpectrogram(**SIZES).encode(torch.zeros(2, 999))
    with pytest.raises(ClarionError, match="must be fitted"):
        LogMel(**SIZES, num_bands=12).encode(torch.zeros(2, 1000))
    with pytest.raises(ClarionError, match="exponent must be in"):
        replace(ComplexSpectrogram(**SIZES), exponent=0.0)
