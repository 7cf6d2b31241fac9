"""The Tiny-ImageNet run at toy size, on pictures of noise, step by step as README.md has it."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from PIL import Image
from torch.testing import assert_close

import clarion
from clarion.domains.image.baseline_recipes import ddpm_like
from clarion.domains.prepare import prepare
from clarion.domains.tables import ALL_TABLES
from clarion.run.config import TrainConfig
from clarion.run.files import read_tensors
from clarion.run.folder import read_train_config
from clarion.train.loop import Trainer

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "gpu"
FILES, ROWS, FIRST, CLASSES = 2, 60, 40, 4
NUM_STEPS, STOPPED_AFTER = 8, 4


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def load_script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", [8, 4, 2])
def test_pictures_become_the_means_of_their_boxes(size, rng) -> None:
    pixels = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    small = load_script("arrays").box_mean(pixels, size)
    k = 8 // size
    for i in range(size):
        for j in range(size):
            mean = pixels[k * i : k * i + k, k * j : k * j + k].astype(float).mean((0, 1))
            np.testing.assert_array_equal(small[i, j], np.floor(mean + 0.5))


def test_sizes_that_do_not_divide_are_refused(rng) -> None:
    with pytest.raises(ValueError, match="cannot be cut into boxes"):
        load_script("arrays").box_mean(np.zeros((8, 8, 3), np.uint8), 3)


def run(*words: object, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(w) for w in words], cwd=folder, capture_output=True, text=True)


def test_parts_become_the_files_again_and_lost_ones_are_named(tmp_path: Path, rng) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a").write_bytes(rng.bytes(2_500_000))
    (tmp_path / "b").write_text("text")
    packed = run(SCRIPTS / "pack.sh", "parts", 1, "data", "b", folder=tmp_path)
    assert packed.stdout.strip() == "3"
    assert all(p.stat().st_size <= 1_000_000 for p in (tmp_path / "parts").glob("part_*"))
    (tmp_path / "parts" / "part_001").rename(tmp_path / "lost")
    refused = run(SCRIPTS / "unpack.sh", "parts", "there", folder=tmp_path)
    assert refused.returncode != 0
    assert "part_001" in refused.stdout + refused.stderr
    assert not (tmp_path / "there").exists()
    (tmp_path / "lost").rename(tmp_path / "parts" / "part_001")
    assert run(SCRIPTS / "unpack.sh", "parts", "there", folder=tmp_path).returncode == 0
    for name in ("data/a", "b"):
        assert (tmp_path / "there" / name).read_bytes() == (tmp_path / name).read_bytes()


class Machine:
    """One that knows nothing at first, and whose files are below a folder."""

    def __init__(self, folder: Path) -> None:
        self.work, self.out, self.path = folder / "work", folder / "out", ""

    def run(self, *words: object, parts: Path | None = None) -> subprocess.CompletedProcess[str]:
        """One step, whatever its exit status."""
        shutil.rmtree(self.out, ignore_errors=True)
        environment = os.environ | {
            "PATH": f"{self.path}{Path(sys.executable).parent}:{os.environ['PATH']}",
            "WORK": str(self.work),
            "OUT": str(self.out),
            "PARTS": str(parts),
            "TOY": "1",
            "OMP_NUM_THREADS": str(torch.get_num_threads()),
        }
        words = (SCRIPTS / "run.sh", *words)
        return subprocess.run(
            list(map(str, words)), env=environment, capture_output=True, text=True
        )

    def __call__(self, *words: object, parts: Path | None = None) -> str:
        """One step, which must go well; returns what it says."""
        done = self.run(*words, parts=parts)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def carry(self, step: str, name: str, other: Machine) -> None:
        """All parts of a model to another machine, some with each call."""
        num_parts = int(self(step, name, 0))
        for call in range(-(-num_parts // 4)):
            self(step, name, call)
            assert len(list(self.out.glob("part_*"))) == min(4, num_parts - 4 * call)
            other("receive", name, parts=self.out)
        other("restore", name)


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (FILES, ROWS, 16, 16, 3)).astype(np.uint8)


@pytest.fixture(scope="module")
def new_machine(pictures: np.ndarray, tmp_path_factory):
    """Makes machines which have the pictures."""
    source = tmp_path_factory.mktemp("source")
    (source / "tiny-imagenet").mkdir()
    labels = [i % CLASSES for i in range(ROWS)]
    for number, file in enumerate(pictures):
        cells = []
        for pixels in file:
            Image.fromarray(pixels).save(encoded := io.BytesIO(), "png")
            cells.append({"bytes": encoded.getvalue(), "path": ""})
        table = pa.table({"image": cells, "label": labels})
        pq.write_table(table, source / "tiny-imagenet" / f"train-{number}.parquet")
    assert run(SCRIPTS / "pack.sh", "parts", 1, "tiny-imagenet", folder=source).returncode == 0

    def make() -> Machine:
        machine = Machine(tmp_path_factory.mktemp("machine"))
        machine("receive", "data", parts=source / "parts")
        machine("prepare")
        return machine

    return make


@pytest.fixture(scope="module")
def machine(new_machine) -> Machine:
    """One on which a training was stopped in the middle."""
    machine = new_machine()
    said = machine("train", "clarion", 100, NUM_STEPS, "--stop-after", STOPPED_AFTER)
    assert f"Stopped at step {STOPPED_AFTER}" in said
    return machine


def test_toy_takes_the_first_pictures_of_each_file(machine: Machine, pictures) -> None:
    made = np.load(machine.work / "train.npz")
    small = pictures[:, :FIRST].reshape(-1, 8, 2, 8, 2, 3).mean((2, 4))
    np.testing.assert_array_equal(made["images"], np.floor(small + 0.5))
    np.testing.assert_array_equal(made["labels"], np.arange(FILES * FIRST) % CLASSES)


def losses(reports: list[dict]) -> dict[int, float]:
    return {report["step"]: report["loss"] for report in reports if "loss" in report}


def log_of(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_training_goes_on_elsewhere_as_if_never_stopped(machine, new_machine, tmp_path) -> None:
    other = new_machine()
    machine.carry("save", "clarion", other)
    other("train", "clarion", 100)
    there = other.work / "clarion" / "run"

    config = read_train_config(there, ALL_TABLES, TrainConfig)
    examples = config.data.open(lambda done, total: None)
    made = prepare(config, examples, None)
    reports: list[dict] = []
    trainer = Trainer(
        config, made.objective, examples, None, made.codec, tmp_path, torch.device("cpu")
    )
    trainer.train(reports.append)
    assert losses(log_of(there)) == losses(reports)
    assert list(losses(reports)) == list(range(1, NUM_STEPS + 1))
    for name in ("model", "ema", "optimizer"):
        ended, expected = (
            read_tensors(run / "steps" / f"{NUM_STEPS:08d}" / f"{name}.safetensors")
            for run in (there, tmp_path)
        )
        assert_close(ended, expected, rtol=0, atol=0)
    first, early = (machine.work / "clarion" / "early", other.work / "clarion" / "early")
    assert (first / "model.safetensors").read_bytes() == (early / "model.safetensors").read_bytes()


def test_the_averaged_weights_come_home(machine: Machine, tmp_path: Path) -> None:
    other = Machine(tmp_path)
    machine.carry("home", "clarion", other)
    run = machine.work / "clarion" / "run"
    for name, step in (("model", None), ("early", 2)):
        kept = clarion.load(other.work / "clarion" / name).denoiser.network.parameters()
        averaged = clarion.load(run, step=step).denoiser.network.parameters()
        expected = [weights.bfloat16().float() for weights in averaged]
        assert_close(list(kept), expected, rtol=0, atol=0)


def test_samples_are_of_all_classes_in_turn_and_measured(machine: Machine) -> None:
    rule, name = "cfg:1.5@0.2-0.6", "seed0-64-cfg_1.5_0.2-0.6"
    machine("sample", "clarion", rule)
    machine("evaluate", "clarion", rule)
    card = json.loads((machine.out / f"clarion-{name}.json").read_text())
    assert card["basis"]["reference n"] == FILES * FIRST
    assert card["basis"]["extractor"] == "pixels"
    assert card["metrics"]["frechet"]["n"] == 64
    drawn = np.load(machine.work / "clarion" / "drawn" / f"{name}.npz")
    assert int(drawn["seed"]) == 0
    np.testing.assert_array_equal(drawn["indices"], np.arange(64))
    np.testing.assert_array_equal(drawn["condition_label"], np.arange(64) % CLASSES)
    some = [0, 23, 24, 63]
    expected = clarion.load(machine.work / "clarion" / "model").sample(
        indices=some,
        condition={"label": [i % CLASSES for i in some]},
        guidance=rule,
        num_steps=18,
        precision="bfloat16",
    )
    # In bfloat16 the size of a batch changes the rounding, which is 2**-9 of a value near 1.
    np.testing.assert_allclose(drawn["samples"][some], expected.numpy(), rtol=0, atol=0.02)


def test_drawing_goes_on_with_the_next_slice(machine: Machine, tmp_path: Path, monkeypatch) -> None:
    draw = load_script("draw").draw
    model = clarion.load(machine.work / "clarion" / "model")
    assert draw(model, 20, 3, 8, tmp_path / "whole.npz", num_steps=2) == 20
    sample, calls = clarion.Model.sample, []

    def cut(*words, **how):
        calls.append(how["indices"])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return sample(*words, **how)

    monkeypatch.setattr(clarion.Model, "sample", cut)
    with pytest.raises(KeyboardInterrupt):
        draw(model, 20, 3, 8, tmp_path / "cut.npz", num_steps=2)
    assert draw(model, 20, 3, 8, tmp_path / "cut.npz", num_steps=2) == 4
    assert calls == [range(8), range(8, 16), range(16, 20), range(16, 20)]
    whole, cut_one = (np.load(tmp_path / f"{name}.npz") for name in ("whole", "cut"))
    assert set(whole.files) == {"samples", "condition_label", "seed", "indices"}
    for name in whole.files:
        np.testing.assert_array_equal(whole[name], cut_one[name])


def test_the_baseline_differs_by_its_method_alone_and_is_tuned(machine: Machine) -> None:
    machine("train", "ddpm", 100, NUM_STEPS)
    ours, baseline = (
        read_train_config(machine.work / name / "run", ALL_TABLES, TrainConfig)
        for name in ("clarion", "ddpm")
    )
    assert baseline == ddpm_like(ours)
    said = machine("tune", "ddpm", "none", "auto:early:1.5")
    for rule, evaluations in (("none", 50), ("auto:early:1.5", 100)):
        assert f"24 pictures by {rule}, {evaluations:.1f} evaluations each" in said
        name = f"ddpm-seed1-24-{rule.replace(':', '_')}.json"
        card = json.loads((machine.out / name).read_text())
        assert set(card["metrics"]) >= {"frechet", "kernel"}
        assert card["metrics"]["frechet"]["n"] == 24


STAND_IN = """#!{python}
import os, signal, sys, time
if sys.argv[1] == "-":
    sys.exit()
run = sys.argv[sys.argv.index("--out") + 1]
os.makedirs(run)
for name in ("config.json", "log.jsonl"):
    open(os.path.join(run, name), "w").close()
signals = []
signal.signal(signal.SIGINT, lambda *_: signals.append(1))
end = time.monotonic() + {seconds}
while not signals and time.monotonic() < end:
    time.sleep(0.01)
time.sleep(0.2)
sys.exit({status} if len(signals) == {signals} else 99)
"""


@pytest.mark.parametrize(("seconds", "status", "signals"), [(60, 0, 1), (60, 7, 1), (0, 7, 0)])
def test_a_training_is_stopped_once_and_its_failure_seen(
    tmp_path: Path, seconds: float, status: int, signals: int
) -> None:
    machine = Machine(tmp_path)
    stand_in = tmp_path / "bin" / "python3"
    stand_in.parent.mkdir()
    stand_in.write_text(
        STAND_IN.format(python=sys.executable, seconds=seconds, status=status, signals=signals)
    )
    stand_in.chmod(0o755)
    machine.path = f"{stand_in.parent}:"
    assert machine.run("train", "clarion", 2, NUM_STEPS).returncode == status


@pytest.mark.parametrize("words", [("train", "gan", 1, 1), ("bake",)])
def test_unknown_words_are_refused(tmp_path: Path, words: tuple[object, ...]) -> None:
    refused = Machine(tmp_path).run(*words)
    assert refused.returncode == 1
    assert "Unknown" in refused.stderr
