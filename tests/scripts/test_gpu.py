"""What carries files to an accelerator and back, and makes pictures smaller."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts" / "gpu"


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(0)


def load_arrays():
    spec = importlib.util.spec_from_file_location("arrays", SCRIPTS / "arrays.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("size", [8, 4, 2])
def test_pictures_become_the_means_of_their_boxes(size, rng) -> None:
    pixels = rng.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    small = load_arrays().box_mean(pixels, size)
    k = 8 // size
    for i in range(size):
        for j in range(size):
            mean = pixels[k * i : k * i + k, k * j : k * j + k].astype(float).mean((0, 1))
            np.testing.assert_array_equal(small[i, j], np.floor(mean + 0.5))


def test_sizes_that_do_not_divide_are_refused(rng) -> None:
    with pytest.raises(ValueError, match="cannot be cut into boxes"):
        load_arrays().box_mean(np.zeros((8, 8, 3), np.uint8), 3)


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
