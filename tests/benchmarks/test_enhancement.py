"""The benchmark of enhancement runs, and its intervals are of paired, clustered draws."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from clarion.cli.main import main
from clarion.domains.audio.metrics import predicted
from clarion.domains.audio.metrics.alignment import delay_samples

soundfile = pytest.importorskip("soundfile")

UNCHANGED = """
import torch

class GTCRN(torch.nn.Module):
    def forward(self, spectra):
        return spectra
"""
"""In the place of a network that is not there: what it makes of speech is known."""


@pytest.fixture
def run(speech: Path, tmp_path: Path) -> Path:
    """Of a tiny network, after ten steps, so long that what it makes is not silent."""
    words = ["train", "enhancement", "--data", str(speech), "--out", str(tmp_path / "run")]
    small = ["--network.base-channels", "8", "--network.channel-multipliers", "1"]
    steps = ["--batch-size", "2", "--num-steps", "10", "--validation-examples", "1"]
    long = ["--optimizer.learning-rate", "0.01", "--optimizer.warmup-steps", "1"]
    assert main([*words, *small, *steps, *long, "--data.noise.kinds", "white"]) == 0
    return tmp_path / "run"


@pytest.fixture
def gtcrn(tmp_path: Path) -> Path:
    folder = tmp_path / "gtcrn"
    folder.mkdir()
    (folder / "gtcrn.py").write_text(UNCHANGED)
    torch.save({"model": {}}, folder / "model_trained_on_dns3.tar")
    return folder


def test_it_measures_and_writes_a_study(run, gtcrn, speech, run_benchmark, tmp_path: Path):
    pytest.importorskip("noisereduce")
    pytest.importorskip("pyrnnoise")
    pytest.importorskip("pyloudnorm")
    out, study = tmp_path / "found.json", tmp_path / "study"
    words = ["--model", run, "--gtcrn", gtcrn, "--data", speech, "--items", "2", "--out", out]
    run_benchmark("enhancement", *words, "--metrics", "si_sdr", "--study", study)
    record = json.loads(out.read_text())
    systems, mixtures = record["results"]["systems"], record["settings"]["mixtures"]
    assert list(systems)[:4] == ["noisy", "noisereduce", "rnnoise", "gtcrn"]
    raw = {name: np.array(of["raw"]["si_sdr"]) for name, of in systems.items()}
    assert raw["noisy"] == pytest.approx(mixtures["snr_db"], abs=0.5)  # noise is nearly orthogonal
    assert raw["gtcrn"] == pytest.approx(raw["noisy"], abs=0.01)  # 16 bits and edges of windows
    for name in ("clarion_1_step", "clarion_5_steps"):
        others = systems[name]["all"]["better_than"]
        assert set(others) == set(systems) - {name}
        for other, of in others.items():
            difference = (raw[name] - raw[other]).mean()
            assert of["si_sdr"]["mean"] == pytest.approx(difference, abs=1e-3)  # of five digits
    clips = {path.name: len(list(path.iterdir())) for path in study.iterdir() if path.is_dir()}
    assert clips == dict.fromkeys(("clean", *list(systems)[:5]), 2)
    built = [str(study / "STUDY.json"), "--clips", str(study), "--out", str(tmp_path / "built")]
    assert main(["listen", "build", *built]) == 0


def test_a_study_without_one_of_its_systems_is_refused(run, speech, run_benchmark, tmp_path: Path):
    words = ["--model", run, "--data", speech, "--metrics", "si_sdr"]
    with pytest.raises(SystemExit, match=r"missing: .*gtcrn"):
        run_benchmark("enhancement", *words, "--study", tmp_path / "study")
    assert not (tmp_path / "study").exists()


def test_a_missing_package_is_told_before_anything_is_computed(
    run, speech, run_benchmark, monkeypatch, capsys
):
    predicted._distillmos.cache_clear()
    monkeypatch.setitem(sys.modules, "distillmos.sqa", None)
    words = ["--model", run, "--data", speech, "--metrics", "si_sdr", "distillmos"]
    capsys.readouterr()
    with pytest.raises(SystemExit, match="DistillMOS needs two packages"):
        run_benchmark("enhancement", *words)
    assert "real-time" not in capsys.readouterr().out


def test_draws_have_the_variance_of_two_stages(benchmark):
    enhancement = benchmark("enhancement")
    rng = np.random.default_rng(0)
    values = rng.standard_normal((10, 1)) + rng.standard_normal((10, 6))
    order = rng.permutation(60)
    speakers = np.repeat(np.arange(10), 6)[order]
    weights = enhancement._resampled(speakers)
    assert (weights.sum(1) == 60).all()
    means = weights @ values.ravel()[order] / 60
    exact = (values.mean(1).var() + values.var(1).mean() / 6) / 10
    assert means.var() == pytest.approx(exact, rel=0.13)  # four deviations of 2000 draws
    assert means.mean() == pytest.approx(values.mean(), abs=4 * np.sqrt(exact / 2000))


def test_a_gain_draws_what_it_is_a_share_of_too(benchmark):
    enhancement = benchmark("enhancement")
    was = np.random.default_rng(0).uniform(1, 3, 40)
    weights = enhancement._resampled(np.repeat(np.arange(4), 10))
    gain = enhancement._gain_percent(1.2 * was, was, weights)
    assert gain == pytest.approx({"mean": 20, "low": 20, "high": 20}, abs=1e-9)


def test_rnnoise_does_not_delay(benchmark):
    pytest.importorskip("pyrnnoise")
    rng = np.random.default_rng(0)
    t = np.arange(40_001) / 16_000
    voice = sum(np.sin(2 * np.pi * 130 * k * t + k) / k for k in range(1, 20))
    sound = 0.1 * voice * np.clip(np.sin(2 * np.pi * 3 * t), 0, None)
    sound += 1e-3 * rng.standard_normal(len(t))
    heard = benchmark("enhancement")._rnnoise(sound)
    assert len(heard) == len(sound)
    assert delay_samples(heard, sound, 800) == 0
