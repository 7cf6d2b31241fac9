"""The benchmark of vocoders runs, and holds systems against each other utterance by utterance."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from clarion.cli.main import main
from clarion.domains.audio.metrics import predicted

SMALL = {
    "vocoder": ("--network.channels", "8", "--network.num-layers", "1"),
    "diffwave": ("--network.channels", "4", "--network.num-layers", "2"),
}


def train(recipe: str, speech: Path, out: Path) -> Path:
    """A tiny network for two steps, on pieces of 0.128 s."""
    words = ["train", recipe, "--data", str(speech), "--out", str(out), *SMALL[recipe]]
    steps = ["--batch-size", "2", "--num-steps", "2", "--validation-examples", "2"]
    pieces = ["--data.duration-s", "0.128", "--data.stride-s", "1.024"]
    assert main([*words, *steps, *pieces]) == 0
    return out


def test_it_measures_all_systems(speech: Path, run_benchmark, tmp_path: Path):
    model = train("vocoder", speech, tmp_path / "vocoder")
    diffwave = train("diffwave", speech, tmp_path / "diffwave")
    out = tmp_path / "found.json"
    words = ["--model", model, "--diffwave", diffwave, "--data", speech, "--items", "2"]
    run_benchmark("vocoder", *words, "--metrics", "si_sdr", "--out", out)
    record = json.loads(out.read_text())
    systems = record["results"]["systems"]
    assert record["settings"]["trainings"]["vocoder"]["steps"] == 2
    clarion = ["Clarion, 1 step", "Clarion, 4 steps", "Clarion, 10 steps"]
    assert list(systems) == ["Griffin-Lim", "DiffWave, 6 steps", *clarion]
    raw = {name: np.array(of["si_sdr"]["raw"]) for name, of in systems.items()}
    for name in clarion:
        for other in ("Griffin-Lim", "DiffWave, 6 steps"):
            found = systems[name]["better_than"][other]["si_sdr"]["raw"]
            assert found == pytest.approx(raw[name] - raw[other], abs=1e-2)  # of five digits
    costs = [systems[name]["gflop_a_second"] for name in clarion]
    assert costs == pytest.approx([costs[0], 4 * costs[0], 10 * costs[0]], rel=1e-4)


def test_a_missing_package_is_told_first(speech: Path, run_benchmark, tmp_path, monkeypatch):
    model = train("vocoder", speech, tmp_path / "vocoder")
    predicted._distillmos.cache_clear()
    monkeypatch.setitem(sys.modules, "distillmos.sqa", None)
    with pytest.raises(SystemExit, match="DistillMOS needs two packages"):
        run_benchmark("vocoder", "--model", model, "--data", speech, "--metrics", "distillmos")
