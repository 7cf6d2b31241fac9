"""Vocoders learn from files, and DiffWave's schedule is the one that was published."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch

import clarion
from clarion.base.sound import ComplexSpectrogram, Waveform
from clarion.cli.main import main
from clarion.domains.audio.recipes import (
    DIFFWAVE_BETAS,
    FAST_BETAS,
    NUM_NOISE_STEPS,
    SPEECH,
    diffwave,
    vocoder,
)
from clarion.nets import ConvNeXtConfig, DiffWaveConfig
from clarion.process import VPLinear
from clarion.process.grids import GivenLevels

pytest.importorskip("soundfile")
pytest.importorskip("soxr")

DOUBLE = torch.float64


def test_pieces_are_whole_frames_of_both():
    for recipe in (vocoder(), diffwave()):
        num_samples = round(recipe.data.duration_s * recipe.data.sample_rate_hz)
        assert num_samples % recipe.data.hop_samples == 0
    assert math.prod(diffwave().network.upsampling) == SPEECH.hop_samples
    assert diffwave().network == DiffWaveConfig()


def test_the_schedule_is_the_continuous_form_of_diffwaves():
    """level_k² = 1 / prod (1 - beta) - 1 over the 50 steps; from the tenth on within 3 %."""
    process = diffwave().process
    assert isinstance(process, VPLinear)
    betas = torch.linspace(*DIFFWAVE_BETAS, NUM_NOISE_STEPS, dtype=DOUBLE)
    alpha_bar = (1 - betas).cumprod(0)
    published = ((1 - alpha_bar) / alpha_bar).sqrt()
    t = torch.arange(1, NUM_NOISE_STEPS + 1, dtype=DOUBLE) / NUM_NOISE_STEPS
    ours = process.noise_level(t) * process.input_scale
    torch.testing.assert_close(ours[9:], published[9:], rtol=0.05, atol=0)
    least = process.noise_level(torch.tensor(process.t_min, dtype=DOUBLE)) * process.input_scale
    assert float(least) == pytest.approx(float(published[0]), rel=0.03)


def test_the_fast_schedule_lies_within_it():
    """At each of its levels alpha² is the product of 1 - beta, as in Ho et al. 2020, equation 4."""
    process = diffwave().process
    assert isinstance(process, VPLinear)
    times = GivenLevels.of_betas(FAST_BETAS, process.input_scale)(process, len(FAST_BETAS))
    alpha_bar = torch.tensor([1 - b for b in FAST_BETAS], dtype=DOUBLE).cumprod(0).flip(0)
    alpha = process.alpha(times[:-1]) / process.input_scale
    torch.testing.assert_close(alpha.square(), alpha_bar, rtol=1e-10, atol=0)


@pytest.mark.parametrize(
    ("recipe", "small", "codec"),
    [
        ("vocoder", ("--network.channels", "8", "--network.num-layers", "1"), ComplexSpectrogram),
        ("diffwave", ("--network.channels", "4", "--network.num-layers", "2"), Waveform),
    ],
)
def test_a_vocoder_is_trained_and_sampled(recipe, small, codec, spoken: Path, tmp_path: Path):
    run = tmp_path / "run"
    words = [
        *("train", recipe, "--data", str(spoken), "--out", str(run), *small),
        *("--batch-size", "2", "--num-steps", "2", "--validation-examples", "2"),
        *("--data.duration-s", "0.128", "--data.stride-s", "0.064"),
    ]
    assert main(words) == 0
    model = clarion.load(run)
    assert isinstance(model.codec, codec)
    assert model.codec.num_samples == 2048
    sound = 0.1 * torch.randn(2, 2048)
    drawn = model.sample(2, condition={"log_mel": sound}, num_steps=2)
    assert drawn.shape == (2, 2048)
    told = model.config.condition["log_mel"]
    as_spectra = told.encode("log_mel", sound, 2)
    assert torch.equal(drawn, model.sample(2, condition={"log_mel": as_spectra}, num_steps=2))


def test_the_network_of_frames_is_small():
    assert vocoder().network == ConvNeXtConfig(channels=256, num_layers=6)
    network = vocoder().network.build((1026, 129), {})
    assert 2e6 < sum(p.numel() for p in network.parameters()) < 4.2e6
