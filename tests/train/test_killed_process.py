"""A real training, killed or interrupted from outside, goes on to the same weights, bit for bit."""

import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.cli.main import main
from clarion.run.files import read_tensors
from clarion.train.checkpoint import latest_checkpoint

NUM_STEPS = 40
SETTINGS = (
    f"--network.base-channels 8 --network.channel-multipliers 1 2 --network.blocks-per-level 1 "
    f"--network.attention-levels 1 --network.head-width 8 --network.dropout 0.1 --batch-size 4 "
    f"--num-steps {NUM_STEPS} --checkpoint-every 10 --report-every 10 --validate-every 20 "
    f"--precision float32 --device cpu --json"
).split()


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """The same number of threads in each process: sums over more are taken in another order."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    folder, rng = tmp_path_factory.mktemp("pictures"), np.random.default_rng(0)
    for name in ("dark", "light"):
        (folder / name).mkdir()
        for number in range(15):
            pixels = rng.integers(0, 128, (8, 8)) + 127 * (name == "light")
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{number}.png")
    return folder


def arguments(pictures, run):
    return ["train", "images", "--data.source", str(pictures), "--out", str(run), *SETTINGS]


@pytest.fixture(scope="module")
def unbroken(pictures, tmp_path_factory):
    run = tmp_path_factory.mktemp("unbroken") / "run"
    assert main(arguments(pictures, run)) == 0
    return run


def stopped_by(number, pictures, run):
    """Start a training as a process of its own and send it a signal once it has saved something."""
    process = subprocess.Popen(
        [sys.executable, "-m", "clarion.cli.main", *arguments(pictures, run)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 120
    while not (run / "steps" / "00000010" / "state.json").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


def assert_same_files(run, other):
    """All that the last checkpoint holds, and the model."""
    names = [
        "model.safetensors",
        *(f"steps/{NUM_STEPS:08d}/{name}.safetensors" for name in ("model", "ema", "optimizer")),
    ]
    for name in names:
        ours, theirs = read_tensors(run / name), read_tensors(other / name)
        assert ours.keys() == theirs.keys()
        assert [key for key in ours if not torch.equal(ours[key], theirs[key])] == []
        assert (run / name).read_bytes() == (other / name).read_bytes()


def test_kill_9(pictures, unbroken, tmp_path):
    run = tmp_path / "run"
    code, _ = stopped_by(signal.SIGKILL, pictures, run)
    assert code == -signal.SIGKILL
    assert int(latest_checkpoint(run).name) < NUM_STEPS
    assert main(["train", "--resume", str(run), "--json"]) == 0
    assert_same_files(run, unbroken)
    assert not list(run.rglob(".*.partial"))


def test_ctrl_c(pictures, unbroken, tmp_path):
    run = tmp_path / "run"
    code, errors = stopped_by(signal.SIGINT, pictures, run)
    assert code == 0, errors
    stopped_at = int(re.search(r"Stopped at step (\d+)", errors)[1])
    assert 10 <= stopped_at < NUM_STEPS
    assert f"Go on with: clarion train --resume {run}" in errors
    assert int(latest_checkpoint(run).name) == stopped_at
    assert main(["train", "--resume", str(run), "--json"]) == 0
    assert_same_files(run, unbroken)
