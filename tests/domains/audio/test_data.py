"""Sounds of any rate, length and level come out as those of one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from clarion.base.condition import ConditionEntry, FieldEntry
from clarion.base.errors import DataError
from clarion.base.sound import ComplexSpectrogram, LogMel
from clarion.domains.audio.data import AudioData
from clarion.domains.audio.noise import Noise
from clarion.domains.tables import ALL_TABLES, kind_of
from clarion.run.examples import Fitted, Grouped
from clarion.run.serialize import from_json, to_json

soundfile = pytest.importorskip("soundfile")


PATTERN = "{digit}_{speaker}_{index}"


@dataclass(frozen=True)
class Held:
    spec: Mapping[str, ConditionEntry]


def digits(folder: Path, **settings) -> AudioData:
    given = {"window_samples": 64, "hop_samples": 32, "num_bands": 8} | settings
    return AudioData(str(folder), name_pattern=PATTERN, **given)


def test_rows_conditions_and_lengths(spoken: Path):
    config = digits(spoken, rows=("index!=0-1",), conditions=("digit=class", "speaker=class"))
    sounds = config.open()
    assert len(sounds) == 8
    assert sounds.shape == (round(0.18 * 8000),)
    waveforms, condition = sounds.batch(torch.tensor([0, 7]))
    assert condition.values["digit"].tolist() == [0, 1]
    assert condition.values["speaker"].tolist() == [0, 1]
    expected, _ = soundfile.read(spoken / "0_ann_2.wav")
    np.testing.assert_allclose(waveforms[0, : len(expected)], expected, atol=1e-7)
    assert (waveforms[0, len(expected) :] == 0).all()
    test = replace(config, rows=("index=0-1", "speaker=bob")).open(
        fitted=Fitted(sounds.condition_spec, (1, 8, 46), config.fit_codec(sounds))
    )
    assert len(test) == 4
    assert test.shape == sounds.shape  # that of the data to train on
    assert test.condition_spec == sounds.condition_spec


def test_what_a_vocoder_is_told_is_fitted_on_the_data_to_train_on(spoken: Path):
    config = digits(
        spoken, rows=("index!=0-1",), seen_as="complex_spectrogram", bins_are="channels",
        told="log_mel", conditions=("digit=class",),
    )  # fmt: skip
    sounds = config.open()
    codec = config.fit_codec(sounds)
    entry = sounds.condition_spec["log_mel"]
    assert entry == FieldEntry(8, (46,), seen_as=entry.seen_as)
    assert codec.model_shape(sounds.shape) == (2 * 33, 46)
    waveforms, condition = sounds.batch(torch.tensor([3, 1]))
    assert condition.present["log_mel"].all()
    told = condition.values["log_mel"]
    assert torch.equal(told, entry.encode("log_mel", waveforms, 2))
    everything = entry.seen_as.encode(sounds.waveforms)
    assert float(everything.mean()) == pytest.approx(0, abs=1e-5)
    assert torch.equal(entry.encode("log_mel", waveforms[0], 3), told[:1].expand(3, -1, -1))
    torch.testing.assert_close(codec.decode(codec.encode(waveforms)), waveforms, rtol=0, atol=1e-6)
    fitted = Fitted(sounds.condition_spec, (66, 46), codec)
    test = replace(config, rows=("index=0-1",)).open(fitted=fitted)
    assert test.condition_spec == sounds.condition_spec
    spec = {"log_mel": entry}
    read = from_json(Held, to_json(Held(spec)), "held")
    assert read.spec == spec


def test_beside_waveforms_spectra_are_signals(spoken: Path):
    config = digits(spoken, seen_as="waveform", told="log_mel")
    sounds = config.open()
    codec = config.fit_codec(sounds)
    assert codec.model_shape(sounds.shape) == (1, *sounds.shape)
    assert float(codec.encode(sounds.waveforms).square().mean()) == pytest.approx(1, rel=1e-5)
    assert isinstance(entry := sounds.condition_spec["log_mel"], FieldEntry)
    assert entry.shape == (8, 46)


def test_rates_and_levels_are_brought_together(write_tone, tmp_path: Path):
    pytest.importorskip("soxr")
    write_tone("mixed/a.wav", 440, 0.5, 16_000, 0)
    write_tone("mixed/b.wav", 440, 0.5, 44_100, 0)
    config = AudioData(str(tmp_path / "mixed"), window_samples=64, hop_samples=32, num_bands=8)
    with pytest.raises(DataError, match=r"differ in rate: .*16000 Hz, .* has 44100 Hz"):
        config.open()
    sounds = replace(config, sample_rate_hz=8000, level_dbfs=-20.0, duration_s=0.5).open()
    assert sounds.sample_rate_hz == 8000
    one, other = sounds.waveforms
    torch.testing.assert_close(one, other, rtol=0, atol=1e-4)
    assert float(one.square().mean().sqrt()) == pytest.approx(0.1, rel=1e-3)


def test_one_sample_and_silence_are_read(tmp_path: Path):
    soundfile.write(tmp_path / "one.wav", np.array([0.5]), 8000)
    soundfile.write(tmp_path / "silence.wav", np.zeros(400), 8000)
    loud = np.clip(3 * np.sin(np.arange(800) * 0.3), -1, 1)
    soundfile.write(tmp_path / "loud.wav", loud, 8000, "PCM_U8")
    soundfile.write(tmp_path / "again.wav", loud, 8000, "PCM_U8")
    config = AudioData(str(tmp_path), window_samples=64, hop_samples=32, num_bands=8)
    sounds = config.open()
    report = config.describe(sounds)
    assert report.num_silent == 1
    assert report.silent[0].endswith("silence.wav")
    assert report.num_clipped == 2
    assert report.duplicates.num_surplus == 1
    assert report.hours == pytest.approx((1 + 400 + 1600) / 8000 / 3600)
    json.dumps(report.to_json())
    console = Console(width=100, record=True)
    console.print(report)
    text = console.export_text()
    assert "sounds" in text
    assert "silence.wav" in text
    only = replace(config, rows=("label=x",))
    with pytest.raises(DataError, match="no column 'label'"):
        only.open()


def test_bad_files_are_named(tmp_path: Path, write_tone):
    write_tone("bad/good.wav")
    (tmp_path / "bad" / "text.wav").write_text("no sound")
    stereo = np.stack([np.ones(100) * 0.1, np.zeros(100)], 1)
    soundfile.write(tmp_path / "bad" / "stereo.wav", stereo, 8000, "FLOAT")
    config = AudioData(str(tmp_path / "bad"))
    with pytest.raises(DataError, match=r"2 of 3 sounds cannot be used.*stereo\.wav.*text\.wav"):
        config.open()
    (tmp_path / "bad" / "text.wav").unlink()
    mixed = replace(config, mix_down=True).open()
    torch.testing.assert_close(mixed.waveforms[1, :100], torch.full((100,), 0.05))


def test_the_codec_is_what_was_asked_for(spoken: Path):
    config = digits(spoken)
    codec = config.fit_codec(config.open())
    assert isinstance(codec, LogMel)
    assert codec.model_shape(config.open().shape) == (1, 8, 46)
    exact = replace(config, seen_as="complex_spectrogram")
    sounds = exact.open()
    codec = exact.fit_codec(sounds)
    assert isinstance(codec, ComplexSpectrogram)
    waveforms, _ = sounds.batch(torch.arange(16))
    torch.testing.assert_close(codec.decode(codec.encode(waveforms)), waveforms, rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": ""}, "source must name"),
        ({"duration_s": 0.0}, "duration_s must be above 0"),
        ({"sample_rate_hz": 0}, "sample_rate_hz must be at least 1"),
        ({"level_dbfs": 3.0}, "level_dbfs must be at most 0"),
        ({"rows": ("index",)}, "rows are written NAME=VALUES"),
        ({"window_samples": 511}, "window_samples must be even"),
        ({"num_bands": 0}, "num_bands must be at least 1"),
        ({"conditions": ("digit",)}, "conditions are written"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        AudioData(**{"source": "x"} | settings)


def test_rows_that_leave_nothing_are_said(spoken: Path):
    with pytest.raises(DataError, match="leaves none of 16 examples; values of speaker are ann, b"):
        digits(spoken, rows=("speaker=eve",)).open()
    with pytest.raises(DataError, match=r"take .* GiB; set duration_s"):
        digits(spoken, memory_limit_gib=1e-6).open()


def test_a_config_is_saved_and_found_by_what_a_folder_holds(spoken: Path):
    config = digits(spoken, rows=("index=0-1",), conditions=("digit=class",))
    assert from_json(AudioData, to_json(config, ALL_TABLES), "here", ALL_TABLES) == config
    assert kind_of(str(spoken)) is AudioData
    assert kind_of(str(spoken / "0_ann_0.wav")) is AudioData


def test_a_stride_gives_pieces_that_hold_all_of_a_sound(write_tone, tmp_path: Path):
    for name, duration_s in (("long", 1.0), ("short", 0.1), ("exact", 0.3)):
        write_tone(f"{name}/{name}.wav", 440, duration_s)
    config = AudioData(
        str(tmp_path), window_samples=64, hop_samples=32, num_bands=8,
        duration_s=0.3, stride_s=0.2, conditions=("label=class",),
    )  # fmt: skip
    sounds = config.open()
    found = [(int(s), int(a)) for s, a in zip(sounds.sounds, sounds.starts, strict=True)]
    assert found == [(0, 0), (1, 0), (1, 1600), (1, 3200), (1, 4800), (1, 6400), (2, 0)]
    whole, _ = soundfile.read(tmp_path / "long" / "long.wav")
    np.testing.assert_allclose(sounds.waveforms[2], whole[1600:4000], atol=1e-7)
    np.testing.assert_allclose(sounds.waveforms[5, :1600], whole[6400:], atol=1e-7)
    assert (sounds.waveforms[5, 1600:] == 0).all()
    assert sounds.name(2).endswith("long.wav, from 0.20 s on")
    _, condition = sounds.batch(torch.tensor([6, 0, 3]))
    names = sounds.condition_spec["label"].class_names
    assert [names[i] for i in condition.values["label"]] == ["short", "exact", "long"]
    report = config.describe(sounds)
    assert (report.count, report.num_pieces) == (3, 7)
    assert isinstance(sounds, Grouped)  # pieces that overlap are held out together
    assert sounds.groups.tolist() == [0, 1, 1, 1, 1, 1, 2]


def test_noisy_sounds_are_told_of_by_the_codec_of_the_clean_ones(spoken: Path):
    config = digits(
        spoken, rows=("index!=0",), seen_as="complex_spectrogram", told="noisy", duration_s=0.1,
        conditions=("digit=class",), noise=Noise(snr_db=(0.0, 10.0), voices=(1, 2)), level_dbfs=-30,
    )  # fmt: skip
    sounds = config.open()
    codec = config.fit_codec(sounds)
    entry = sounds.condition_spec["noisy"]
    assert entry.seen_as == codec
    wanted = torch.tensor([3, 9, 0])
    clean, condition = sounds.batch(wanted)
    heard = codec.decode(condition.values["noisy"])
    noises = (heard - clean).double().square().mean(1)
    for snr_db in 10 * ((10 ** (-25 / 10) - noises) / noises).log10():  # of whole recordings
        assert -0.01 < snr_db < 10.01
    again, other = sounds.batch(wanted.flip(0))
    assert torch.equal(again.flip(0), clean)
    assert torch.equal(other.values["noisy"].flip(0), condition.values["noisy"])
    torch.manual_seed(5)
    drawn = [sounds.training_batch(wanted)[1].values["noisy"] for _ in range(2)]
    assert not torch.equal(drawn[0], drawn[1])
    torch.manual_seed(5)
    assert torch.equal(sounds.training_batch(wanted)[1].values["noisy"], drawn[0])
    voices = [sounds.facts[i].name.split("_")[1] for i in sounds.sounds]
    assert len(set(zip(voices, sounds.mixer.voices.tolist(), strict=True))) == 2  # by `speaker`
    fitted = Fitted(sounds.condition_spec, (2, 33, 26), codec)
    test = replace(config, rows=("index=0",)).open(fitted=fitted)
    assert test.condition_spec == sounds.condition_spec
    assert from_json(AudioData, to_json(config, ALL_TABLES), "here", ALL_TABLES) == config


def test_one_s_own_noise_is_read_from_a_folder(spoken: Path, write_tone, tmp_path: Path):
    pytest.importorskip("soxr")
    write_tone("noises/hum.wav", 50, 0.5, 16_000)
    noise = Noise(kinds=(), folder=str(tmp_path / "noises"))
    config = digits(spoken, told="noisy", noise=noise, level_dbfs=-25)
    assert [len(r) for r in config.open().mixer.recordings] == [4000]
    soundfile.write(tmp_path / "noises" / "silent.wav", np.zeros(100), 8000)
    with pytest.raises(DataError, match=r"silent\.wav is silent"):
        config.open()
    with pytest.raises(DataError, match="set level_dbfs"):
        digits(spoken, told="noisy", noise=noise)
