"""Trainings of sound."""

from __future__ import annotations

from dataclasses import replace

from clarion.domains.audio.data import AudioData
from clarion.domains.image.recipes import NOT_NAMED
from clarion.nets.convnext import ConvNeXtConfig
from clarion.nets.diffwave import DiffWaveConfig
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import Flow, VPLinear
from clarion.run.config import LossConfig, ModelConfig, OptimizerConfig, TrainConfig

DIGITS = AudioData(
    source=NOT_NAMED,
    name_pattern="{digit}_{speaker}_{index}",
    rows=("index!=0-4",),
    conditions=("digit=class", "speaker=class"),
    sample_rate_hz=8000,
    duration_s=1.008,  # 64 frames
    level_dbfs=-25.0,
    window_samples=256,
    hop_samples=128,
    num_bands=64,
    floor_dbfs=-100.0,  # at -70 a judge hears 91 % of the digits after the way back, here 99 %
)

SPEECH = AudioData(
    source=NOT_NAMED,
    sample_rate_hz=16_000,
    duration_s=2.048,  # 129 frames
    stride_s=0.512,
    level_dbfs=-25.0,
    seen_as="complex_spectrogram",
    window_samples=1024,
    hop_samples=256,
    num_bands=80,
    floor_dbfs=-100.0,
    bins_are="channels",
    told="log_mel",
)
"""Speech by its log-mel spectrogram, for vocoders. Much of what is heard of speech at -25 dBFS lies
below -70 dBFS in its band: with that floor, sounds by Griffin and Lim's method have a PESQ-WB of
2.5, where they have 3.4."""


def digits() -> TrainConfig:
    """Spoken digits by digit and speaker, as the Free Spoken Digit Dataset has them, at 8 kHz.

    Command: `clarion train digits --data FOLDER`, sixteen minutes of one core. Of 180 samples
    of 12 steps with `--guidance cfg:2` a judge of real recordings hears the digit in 98 % and the
    speaker in 95 % as asked, of 4 steps without guidance in 94 and 91 % (`benchmarks/digits.py`).

    What is said shows in broad features, which are decided where there is much noise, so that more
    is trained there than for pictures.
    """
    return TrainConfig(
        data=DIGITS,
        validation=replace(DIGITS, rows=("index=0-4",)),
        network=UNetConfig(
            base_channels=16,
            channel_multipliers=(1, 2, 2),
            blocks_per_level=1,
            attention_levels=(2,),
            head_width=32,
            patch_size=2,
        ),
        loss=LossConfig(log_level_mean=0.4, log_level_std=1.4),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=50, decay_from=0.3),
        batch_size=32,
        num_steps=4000,
        validation_examples=300,
        validate_every=500,
        checkpoint_every=500,
        precision="float32",
    )


def vocoder() -> TrainConfig:
    """Speech from its log-mel spectrogram, 80 bands at 16 kHz: a flow of complex spectra.

    Command: `clarion train vocoder --data FOLDER`. The network works on frames, as in Vocos and
    RFWave (Siuzdak 2023, arXiv 2306.00814; Liu et al. 2024, arXiv 2403.05010): 4.1 million weights,
    0.37 G operations a step for a second of sound. One core learns from 9 pieces of 2 s a second.
    """
    return TrainConfig(
        data=SPEECH,
        network=ConvNeXtConfig(channels=256, num_layers=6),
        process=Flow(),
        prediction_type="flow",
        condition_dropout=0.0,
        loss=LossConfig(weighting="flow"),
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup_steps=100, decay_from=0.3),
        batch_size=16,
        num_steps=2000,
        validation_examples=64,
        validate_every=500,
        checkpoint_every=500,
    )


DIFFWAVE_BETAS = (1e-4, 0.05)
"""First and last of the 50 steps of noise that DiffWave is trained with."""

FAST_BETAS = (1e-4, 1e-3, 1e-2, 0.05, 0.2, 0.5)
"""Those of its fast sampler. Source: Kong et al. 2021, arXiv 2009.09761, appendix B."""

NUM_NOISE_STEPS = 50


def diffwave() -> TrainConfig:
    """The same by DiffWave, on samples, as published: the baseline of `vocoder`.

    Command: `clarion train diffwave --data FOLDER`. Kong et al. 2021, arXiv 2009.09761, base: 2.6
    million weights, 41 G operations a step for a second of sound. One core learns from 0.4 pieces
    of 0.5 s a second.

    Their 50 steps of beta from 1e-4 to 0.05 are `vp_linear` with beta from 0.005 to 2.5, 50 times
    theirs; noise of level 0.01, that of their first step, is its least. They were chosen for
    waveforms at full scale, which `input_scale` says: here all sounds are brought to -25 dBFS, and
    a model sees them at unit deviation. `GivenLevels.of_betas(FAST_BETAS, input_scale)` is the fast
    schedule, of 6 steps, for the sampler `ddpm`.
    """
    level_dbfs = -25.0
    first, last = DIFFWAVE_BETAS
    return TrainConfig(
        data=replace(
            SPEECH,
            duration_s=0.512,  # 33 frames
            stride_s=0.256,
            level_dbfs=level_dbfs,
            seen_as="waveform",
            bins_are="rows",
        ),
        network=DiffWaveConfig(),
        process=VPLinear(
            beta_min=NUM_NOISE_STEPS * first,
            beta_max=NUM_NOISE_STEPS * last,
            t_min=0.007,
            input_scale=10 ** (level_dbfs / 20),
        ),
        prediction_type="noise",
        condition_dropout=0.0,
        loss=LossConfig(levels="time_uniform", weighting="noise"),
        optimizer=OptimizerConfig(learning_rate=5e-4, warmup_steps=20, decay_from=0.3),
        batch_size=4,
        num_steps=400,
        validation_examples=32,
        validate_every=100,
        checkpoint_every=100,
    )


NOISY_SPEECH = AudioData(
    source=NOT_NAMED,
    sample_rate_hz=16_000,
    duration_s=127 * 255 / 16_000,  # 128 frames, of 256 bins
    stride_s=1.0,
    level_dbfs=-25.0,
    seen_as="complex_spectrogram",
    window_samples=510,
    hop_samples=255,
    told="noisy",
)
"""Speech with noise, in pieces of 2.024 s."""


def enhancement() -> TrainConfig:
    """Clear speech out of noisy speech: a flow of complex spectra, given those with noise.

    Command: `clarion train enhancement --data FOLDER`; any speech without noise will do, best of
    many speakers (`--data.noise.folder` adds noises of one's own). One core learns from 11 pieces
    a second in bfloat16; one step takes 0.02 of the duration of the sound.

    The first step of a flow is taken from noise alone, so it gives the mean of the clean speech,
    given the noisy. Most levels are trained there (a median of sigma / alpha of 20; a sixth lies at
    the very end), for this is what is used most. The network gates what came in, as masks do:
    after 100 steps of 8 pieces one step then gives PESQ-WB 1.43 at SI-SDR 5.3 dB, without gates
    after 150 steps 1.17 at -1.5 dB, where the noisy speech has 1.28 to 1.34 at 5.9 to 6.5 dB.
    """
    return TrainConfig(
        data=NOISY_SPEECH,
        network=UNetConfig(
            base_channels=32,
            channel_multipliers=(1, 1, 2, 2),
            blocks_per_level=1,
            attention_levels=(),
            patch_size=2,
            gates_input=True,
        ),
        process=Flow(),
        condition_dropout=0.0,
        loss=LossConfig(log_level_mean=3.0, log_level_std=3.0),
        optimizer=OptimizerConfig(learning_rate=2e-3, warmup_steps=100, decay_from=0.3),
        batch_size=16,
        num_steps=5000,
        validation_examples=96,
        validate_every=500,
        checkpoint_every=500,
    )


def sounds_like(model: ModelConfig) -> AudioData:
    """Sounds, not yet named; the model's codec says how they are read."""
    return AudioData(source=NOT_NAMED)
