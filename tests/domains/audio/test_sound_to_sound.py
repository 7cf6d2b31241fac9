"""Recordings of any kind come back as long as they were, without a seam."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from clarion.base.condition import Condition, FieldEntry
from clarion.base.errors import ClarionError, DataError
from clarion.base.sound import ComplexSpectrogram
from clarion.cli.main import main
from clarion.denoise.denoiser import Denoiser
from clarion.denoise.estimate import Estimate
from clarion.domains.audio.sound_to_sound import SoundToSound
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import Flow
from clarion.run.config import ModelConfig
from clarion.run.model import Model

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

RATE_HZ, SIZE = 8000, 2016
CODEC = ComplexSpectrogram(RATE_HZ, SIZE, 64, 32, 1.0, 0.02)
CONFIG = ModelConfig(
    CODEC.model_shape((SIZE,)),
    {"noisy": FieldEntry.of_sound(CODEC)},
    UNetConfig(8, (1,), 1, (), patch_size=1),
    Flow(),
    domain="audio",
)


class Echo(Denoiser):
    """Says that what is heard is clear; wrong by a loud click at the edges of each chunk, if so
    asked."""

    def __init__(self, edge: int = 0) -> None:
        super().__init__(Flow())
        self.edge, self.nothing = edge, nn.Parameter(torch.zeros(1))

    def estimate(self, x_t: torch.Tensor, t: torch.Tensor, condition: Condition | None) -> Estimate:
        assert condition is not None
        waveforms = CODEC.decode(condition.values["noisy"])
        if self.edge:
            waveforms[:, : self.edge] = 1
            waveforms[:, -self.edge :] = -1
        return Estimate(CODEC.encode(waveforms))


def echo(edge: int = 0, **settings) -> SoundToSound:
    return SoundToSound(Model(CONFIG, Echo(edge), CODEC), **settings)  # pyright: ignore


@pytest.fixture(scope="module")
def random_run(tmp_path_factory) -> Path:
    """A model that has learnt nothing, but whose answer depends on all that it is asked."""
    torch.manual_seed(0)
    denoiser = CONFIG.build()
    for p in denoiser.parameters():
        nn.init.normal_(p, std=0.1)
    folder = tmp_path_factory.mktemp("model") / "run"
    Model(CONFIG, denoiser, CODEC).save(folder)
    return folder


def sine(seconds: float, rate_hz: int = RATE_HZ, hz: float = 440.0) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)


@pytest.mark.parametrize("length", [1, 100, SIZE - 1, SIZE, SIZE + 1, 5000, 5 * (SIZE - 252) + 252])
def test_a_sine_has_no_seam(length: int):
    wave = sine(2)[:length] if length < 16_000 else sine(4)[:length]
    out = echo(batch_size=2).samples(wave)
    assert out.shape == wave.shape
    assert np.abs(out - wave).max() < 1e-6  # far below -60 dB


def test_edges_of_chunks_are_not_heard():
    wave = sine(2)
    out = echo(edge=60).samples(wave)  # a quarter of the overlap is 63
    inside = slice(100, len(wave) - 300)
    assert np.abs(out - wave)[inside].max() < 0.3e-3  # -60 dB
    raw = np.abs(echo(edge=200).samples(wave) - wave)[inside].max()
    assert raw > 0.03  # what is longer than the overlap hides is heard


@pytest.mark.parametrize("length", [1, 300, 3000])
def test_a_recording_that_ends_goes_on_backwards(length: int):
    """What a model sees of noise has no end at which it would take it for something else."""
    told = []

    class Recording(Echo):
        def estimate(self, x_t, t, condition):
            told.extend(CODEC.decode(condition.values["noisy"]).double().numpy())
            return super().estimate(x_t, t, condition)

    noise = np.random.default_rng(0).standard_normal(length)
    SoundToSound(Model(CONFIG, Recording(), CODEC)).samples(noise)  # pyright: ignore
    seen = told[-1] / told[0][0] * noise[0]
    hop = SIZE - round(0.125 * SIZE)
    ends = length - (len(told) - 1) * hop
    expected = np.concatenate([noise[length - ends :], np.tile(np.r_[noise[::-1], noise], 2000)])
    np.testing.assert_allclose(seen, expected[:SIZE], atol=1e-3)


def test_chunks_that_differ_are_faded_over():
    """A gain that changes from chunk to chunk changes what is heard by no more than a fade can."""

    class Uneven(Echo):
        count = 0

        def estimate(self, x_t, t, condition):
            self.count += 1
            mean = super().estimate(x_t, t, condition).mean
            return Estimate(mean * (1 + 0.1 * (-1) ** self.count))

    model = Model(CONFIG, Uneven(), CODEC)  # pyright: ignore
    wave = np.full(8000, 0.1) * np.sign(np.sin(np.arange(1, 8001)))
    envelope = SoundToSound(model, batch_size=1).samples(wave) / wave
    fade = round(0.125 * SIZE) / 2
    steepest = 0.2 * np.pi / 2 / fade
    assert np.abs(np.diff(envelope)).max() < 1.01 * steepest
    assert envelope.max() == pytest.approx(1.1, abs=1e-3)
    assert envelope.min() == pytest.approx(0.9, abs=1e-3)


@pytest.mark.parametrize(
    ("rate_hz", "channels", "subtype"),
    [(8000, 1, "PCM_U8"), (44_100, 2, "PCM_16"), (16_000, 3, "FLOAT"), (7999, 1, "PCM_24")],
)
def test_files_keep_length_rate_and_channels(rate_hz, channels, subtype, tmp_path: Path):
    tones = [sine(1.3, rate_hz, 300.0 * (c + 1)) * (c + 1) / 3 for c in range(channels)]
    source, out = tmp_path / "in.wav", tmp_path / "out.flac"
    soundfile.write(source, np.stack(tones, 1), rate_hz, subtype)
    assert echo().file(source, out) == pytest.approx(len(tones[0]) / rate_hz)
    was, _ = soundfile.read(source, always_2d=True)
    now, now_hz = soundfile.read(out, always_2d=True)
    assert now.shape == was.shape
    assert now_hz == rate_hz
    inside = slice(round(0.1 * rate_hz), -round(0.1 * rate_hz))
    np.testing.assert_allclose(now[inside], was[inside], atol=2e-4 if subtype != "PCM_U8" else 1e-2)
    assert out.with_suffix(".png").is_file()


def test_silence_one_sample_and_clipping(tmp_path: Path, random_run: Path):
    both = np.stack([np.zeros(9000), sine(9000 / RATE_HZ)], 1)
    clipped = np.clip(10 * sine(0.5), -1, 1)
    enhancer = SoundToSound(Model.load(random_run))
    for name, wave in {"one": np.array([0.5]), "both": both, "clipped": clipped}.items():
        source, out = tmp_path / f"{name}.wav", tmp_path / f"{name}_out.wav"
        for rate_hz in (RATE_HZ, 48_000):
            soundfile.write(source, wave, rate_hz)
            enhancer.file(source, out)
            now, _ = soundfile.read(out)
            assert now.shape == wave.shape
            assert np.isfinite(now).all()
            assert np.abs(now).max() <= 1
    now, _ = soundfile.read(tmp_path / "both_out.wav")
    assert (now[:, 0] == 0).all()
    assert (now[:, 1] != 0).any()


def test_one_sample_keeps_its_value(tmp_path: Path):
    """At 8 kHz there is none of it."""
    source, out = tmp_path / "one.wav", tmp_path / "out.wav"
    soundfile.write(source, np.array([[0.5, -0.25]]), 44_100)
    echo().file(source, out)
    assert np.array_equal(soundfile.read(out)[0], [[0.5, -0.25]])


def test_a_long_recording_takes_no_more_memory():
    def peak(minutes: int) -> tuple[int, int]:
        rng = np.random.default_rng(0)
        blocks = (
            0.05 * rng.standard_normal((65_536, 1)) for _ in range(minutes * 60 * 8000 // 65_536)
        )
        tracemalloc.start()
        length = sum(len(block) for block in echo(batch_size=64).stream(blocks))
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return length, most

    (_, short), (length, long) = peak(1), peak(20)
    assert length == 20 * 60 * 8000 // 65_536 * 65_536
    assert long < 1.5 * short


def test_a_seed_says_it_all_whatever_the_batch(random_run: Path, tmp_path: Path, capsys):
    rng = np.random.default_rng(0)
    source = tmp_path / "in" / "a" / "x.wav"
    source.parent.mkdir(parents=True)
    mono = 0.1 * rng.standard_normal((20_000, 1))
    soundfile.write(source, mono.repeat(2, 1), RATE_HZ)
    outs = []
    for number, more in enumerate((["--batch-size", "1"], [], ["--seed", "1"])):
        words = [str(tmp_path / "in"), str(tmp_path / str(number)), "--model", str(random_run)]
        assert main(["enhance", *words, "--num-steps", "2", "--json", *more]) == 0
        outs.append(soundfile.read(tmp_path / str(number) / "a" / "x.wav")[0])
        assert json.loads(capsys.readouterr().out)["files"] == 1
    one, other, third = outs
    assert np.abs(one - other).max() < 1.1 / 2**15  # what rounding to 16 bits may turn over
    assert np.abs(one - third).max() > 1e-3
    assert np.array_equal(one[:, 0], one[:, 1])  # channels that are the same stay so


def test_what_cannot_be_enhanced_is_named(random_run: Path, tmp_path: Path, capsys):
    bad = {
        "nan.wav": np.array([0.1, np.nan, 0.1]),
        "vast.wav": np.array([1e200]),
        "empty.wav": np.zeros(0),
    }
    for name, wave in bad.items():
        soundfile.write(tmp_path / name, wave, RATE_HZ, "DOUBLE")
    (tmp_path / "text.wav").write_text("not a sound")
    soundfile.write(tmp_path / "good.wav", sine(0.2), RATE_HZ)
    given = ["--model", str(random_run)]
    for name, message in {
        "nan.wav": "nan.wav holds NaN or infinite samples, the first at 0.000 s",
        "vast.wav": "vast.wav holds NaN or infinite samples, the first at 0.000 s",
        "empty.wav": "empty.wav holds no samples",
        "text.wav": "text.wav cannot be read as sound",
        "no.wav": "There is no file or folder",
    }.items():
        assert main(["enhance", str(tmp_path / name), str(tmp_path / "out.wav"), *given]) == 1
        assert message in capsys.readouterr().err
        assert not (tmp_path / "out.wav").exists()
    assert main(["enhance", str(tmp_path), str(tmp_path / "all"), *given]) == 1
    caught = capsys.readouterr()
    assert "4 of 5 files were left out" in caught.err
    assert "real-time factor" in caught.out
    assert [p.name for p in sorted((tmp_path / "all").iterdir())] == ["good.png", "good.wav"]
    good = str(tmp_path / "good.wav")
    assert main(["enhance", good, good, *given]) == 1
    assert "is the recording itself" in capsys.readouterr().err
    assert main(["enhance", good, "x.mp3", *given]) == 1
    assert "Sound is written to" in capsys.readouterr().err


def test_models_of_other_things_are_refused():
    config = ModelConfig(CONFIG.shape, {}, CONFIG.network, Flow(), domain="audio")
    with pytest.raises(ClarionError, match="has no condition 'noisy'"):
        SoundToSound(Model(config, config.build(), CODEC))
    with pytest.raises(ClarionError, match="num_steps must be"):
        echo(num_steps=0)
    with pytest.raises(DataError, match="There is no file"):
        echo().file(Path("nowhere.wav"), Path("out.wav"))
