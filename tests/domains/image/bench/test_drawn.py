"""Samples drawn block by block are those that are drawn at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import clarion
from clarion.base.condition import ClassEntry
from clarion.base.normalizer import Normalizer
from clarion.domains.image.bench import drawn
from clarion.domains.image.bench.drawn import Drawing
from clarion.domains.image.bench.entrants import Way
from clarion.nets.unet import UNetConfig
from clarion.process.gaussian import EDM
from clarion.run.config import ModelConfig
from clarion.run.model import Model

WAY = Way("few", "3 steps", {"num_steps": 3})
DRAWING = Drawing([0, 1, 1, 0, 1], 5, 7, batch_size=2, precision="float32", device="cpu")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    network = UNetConfig(8, (1, 2), 1, ())
    config = ModelConfig((1, 8, 8), {"label": ClassEntry(2)}, network, EDM())
    torch.manual_seed(0)
    Model(config, config.build(), Normalizer((0.3,), (0.35,))).save(tmp_path / "model")
    return tmp_path / "model"


def silent(done: int, total: int) -> None:
    pass


def test_a_drawing_that_is_stopped_goes_on(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawn, "BLOCK", 2)
    out = tmp_path / "samples.npz"

    def stop(done: int, total: int) -> None:
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        DRAWING.write(model, WAY, "cfg:2", out, stop)
    parts = sorted((tmp_path / "samples.parts").iterdir())
    assert [part.name for part in parts] == ["0000000.safetensors", "0000002.safetensors"]
    before = [part.stat().st_mtime_ns for part in parts]
    seen: list[int] = []

    def check(done: int, total: int) -> None:
        seen.append(done)
        assert [part.stat().st_mtime_ns for part in parts] == before

    cost = DRAWING.write(model, WAY, "cfg:2", out, check)
    assert seen == [2, 4, 5]
    assert not (tmp_path / "samples.parts").exists()
    expected = clarion.load(model).sample(
        n=5, condition={"label": [0, 1, 1, 0, 1]}, guidance="cfg:2", num_steps=3, seed=7
    )
    with np.load(out) as content:
        torch.testing.assert_close(torch.from_numpy(content["samples"]), expected)
        assert content["condition_label"].tolist() == [0, 1, 1, 0, 1]
    # Guidance doubles each of three evaluations; so it doubles the operations.
    assert cost.evaluations == 6
    assert cost.seconds > 0
    plain = DRAWING.write(model, WAY, "", tmp_path / "plain.npz", silent)
    assert (plain.evaluations, 2 * plain.flops) == (3, cost.flops)


def test_what_is_there_is_not_drawn_again(model: Path, tmp_path: Path) -> None:
    out = tmp_path / "samples.npz"
    first = DRAWING.write(model, WAY, "", out, silent)
    (model / "model.safetensors").unlink()
    assert DRAWING.write(model, WAY, "", out, silent) == first
