"""The page on evaluation: its commands run, on a few small pictures, and its numbers are known."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clarion.cli.main import main
from clarion.domains.image.inception import SHA256

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "evaluation.md").read_text()
COMMANDS = [
    line
    for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("clarion evaluate")
]
N = 60


def pictures(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).random((N, 1, 4, 4), np.float32)


def test_its_commands_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLARION_CACHE", str(tmp_path / "cache"))
    for seed, folder in enumerate(("photos", "held-out", "drawn")):
        for i, picture in enumerate((255 * pictures(seed)).astype(np.uint8)):
            place = Path(folder, ("cat", "dog")[i % 2])
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture[0]).save(place / f"{i}.png")
    for seed, name in ((2, "a.npz"), (3, "b.npz")):
        np.savez(name, samples=pictures(seed), seed=np.array(0), indices=np.arange(N))
    for seed, name in ((4, "drawn.npz"), (5, "known.npz")):
        np.savez(name, samples=pictures(seed)[:, 0])
    Path("own.py").write_text("def features(x):\n    return x.mean(1)\n")
    network = "--network.base-channels 4 --network.channel-multipliers 1"
    network += " --network.blocks-per-level 1 --network.attention-levels"
    trained = f"train images --data photos {network} --num-steps 2 --validate-every 0 --json"
    assert main(shlex.split(f"{trained} --batch-size 8 --out runs/photos")) == 0
    (code,) = re.findall(r"```python\n# mine.py\n(.*?)```", PAGE, re.DOTALL)
    Path("mine.py").write_text(code)
    for line in COMMANDS:
        if "transformers:" in line:  # needs a model from the hub
            continue
        is_default = "evaluate images" in line and "--extractor" not in line
        assert main(shlex.split(line)[1:] + ["--extractor", "pixels"] * is_default) == 0
    assert len(COMMANDS) == 11
    assert Path("pairs.png").is_file()
    assert "b.npz less a.npz (paired)" in capsys.readouterr().out
    named = re.findall(r"\| `([^`]*)` \| ", PAGE)
    measured = [
        name for card in "ac" for name in json.loads(Path(f"{card}.json").read_text())["metrics"]
    ]
    names = {"frechet": "fid", "frechet, extrapolated": "fid, extrapolated", "kernel": "kid"}
    assert named == [names.get(name, name) for name in measured]


def test_it_names_the_network() -> None:
    (beginning,) = re.findall(r"SHA-256 that begins with `(\w+)`", PAGE)
    assert SHA256.startswith(beginning)
