"""`clarion bench image`, from pictures to a table."""

from __future__ import annotations

import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clarion.base.errors import ClarionError
from clarion.cli.main import main
from clarion.domains.image.bench import bench
from clarion.domains.image.bench.entrants import Entrant, entrants
from clarion.run.config import TrainConfig

TINY = shlex.split(
    "bench image images --data pictures.npz --budget 0.5s --n 20 --bench.tune-n 20 "
    "--bench.reference-n 60 --extractor pixels --network.base-channels 8 "
    "--network.channel-multipliers 1 2 --network.attention-levels --network.blocks-per-level 1 "
    "--batch-size 8 --precision float32 --device cpu --out out"
)
MODELS = ["Clarion", "Clarion", "DDPM", "NCSN++", "NCSN++", "GAN (R3GAN)", "VAE"]


@pytest.fixture
def _pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures lit on the left, or on the right."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLARION_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    labels = np.arange(120) % 2
    images = rng.integers(0, 60, (120, 8, 8), dtype=np.uint8)
    images[labels == 0, :, :4] += 150
    images[labels == 1, :, 4:] += 150
    np.savez("pictures.npz", images=images, labels=labels)


def in_few_steps(training: TrainConfig) -> tuple[Entrant, ...]:
    """All entrants, sampled in as many steps as they have letters in their ways' names."""
    return tuple(
        replace(
            entrant,
            ways=tuple(
                replace(way, settings=dict(way.settings) | {"num_steps": len(way.name)})
                for way in entrant.ways
            ),
        )
        for entrant in entrants(training)
    )


@pytest.mark.usefixtures("_pictures")
def test_a_comparison_is_made_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "entrants", in_few_steps)
    assert main(TINY) == 0
    said = capsys.readouterr()
    assert said.out.count("Training ") == 5
    assert "decoded" not in said.err  # the report on the data, which are the same each time
    content = json.loads(Path("out/bench.json").read_text())
    real, *rows = content["rows"]
    assert real["model"] == "Real pictures"
    assert "weights" not in real
    assert [row["model"] for row in rows] == MODELS
    plan = json.loads(Path("out/plan.json").read_text())["entrants"]
    for row in rows:
        assert row["metrics"]["frechet"]["n"] == 20
        assert row["metrics"]["frechet"]["low"] <= row["metrics"]["frechet"]["high"]
        assert row["training_seconds"] > 0
    # Equal but for half a step each.
    step = max(entry["cost"]["flops"] for entry in plan.values())
    operations = [row["training_flops"] for row in rows]
    assert max(operations) - min(operations) <= step
    # An evaluation a step, and one more a step but for the last; two a level, and the last one.
    evaluations = [row["evaluations_a_sample"] for row in rows]
    assert evaluations[3:] == [2 * len("corrected") - 1, 2 * len("langevin") + 1, 1, 1]

    assert [gain["model"] for gain in content["gains"]] == MODELS[2:]
    for gain, row in zip(content["gains"], rows[2:], strict=True):
        difference = gain["metrics"]["frechet"]
        assert difference["first"] == row["metrics"]["frechet"]["value"]
        assert difference["second"] == rows[0]["metrics"]["frechet"]["value"]
        assert difference["low"] < difference["value"] < difference["high"]

    table = Path("out/bench.md").read_text()
    assert f"| Clarion, {rows[0]['sampling']}, less | Fréchet distance, in % | p |" in table
    assert "| VAE, one pass |" in table
    assert "20 samples each, held against 60 pictures" in table
    for name in ("evaluations", "seconds", "samples"):
        with Image.open(f"out/{name}.png") as picture:
            assert picture.width > 200

    # A second call trains, draws and measures nothing, and says the same.
    capsys.readouterr()
    before = written()
    assert len(before) > 40
    assert main(TINY) == 0
    assert "Training" not in capsys.readouterr().out
    assert written() == before
    assert json.loads(Path("out/bench.json").read_text()) == content
    assert main([*TINY, "--n", "40"]) == 1
    assert "holds a comparison with other settings" in capsys.readouterr().err


def written() -> dict[Path, int]:
    """When each file of a comparison was written, but for the report, which is made anew."""
    files = [
        p
        for folder in ("clarion", "ddpm", "ncsn", "gan", "vae")
        for p in Path("out", folder).rglob("*")
    ]
    return {p: p.stat().st_mtime_ns for p in (*files, *Path("out").glob("*.card.json"))}


@pytest.mark.usefixtures("_pictures")
def test_classes_too_rare_for_a_judge_are_known_before_the_trainings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise ClarionError("as far as a training")

    monkeypatch.setattr(bench.ImageBench, "_trained", stop)
    with np.load("pictures.npz") as file:
        np.savez("rare.npz", images=file["images"], labels=np.arange(120) % 60)
    assert main([*TINY, "--data", "rare.npz"]) == 1
    said = capsys.readouterr()
    assert "as far as a training" in said.err
    assert "Without adherence and diversity: A judge learns each class" in " ".join(
        said.out.split()
    )
    assert set(json.loads(Path("out/real.card.json").read_text())["metrics"]) >= {"recall"}


@pytest.mark.usefixtures("_pictures")
@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("bench", "clarion bench image"),
        ("bench audio", "Known: image"),
        ("bench image gan", "is not that of a diffusion model of pictures"),
        ("bench image sequences", "is not that of a diffusion model of pictures"),
        ("bench image imges", "Did you mean 'images'?"),
        ("bench image images", "Name the data: --data"),
        ("bench image --num-steps 5", "num_steps follows from the budget"),
        ("bench image images --data nowhere.npz --extractor pixels", "nowhere.npz"),
        (
            "bench image images --data pictures.npz --extractor incepton",
            "Did you mean 'inception'?",
        ),
        ("bench image images --data pictures.npz --extractor pixels --out .", "no comparison"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_trained(
    words: str, hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(shlex.split(words)) == 1
    assert hint in capsys.readouterr().err
    assert not Path("bench").exists()
