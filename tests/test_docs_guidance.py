"""The page on steering: its commands run, its table is what was measured, its code works."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.cli.main import main

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs" / "guidance.md").read_text()
SHOWN = {
    "cfg": ("1.0", "1.5", "2.0", "3.0", "8.0"),
    "interval": ("1.5", "2.0", "3.0", "8.0"),
    "apg": ("1.5", "2.0", "3.0", "8.0"),
    "cfgpp": ("0.1", "0.4", "1.0"),
    "auto": ("1.5", "2.0", "3.0"),
}
"""Rule -> the scales that the page shows of those that were measured."""


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def commands() -> list[str]:
    lines = "".join(blocks("sh")).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s#.*", "", line) for line in lines if "models/fashion" in line]


def trade_off_table() -> str:
    record = json.loads((ROOT / "benchmarks" / "results" / "guidance.json").read_text())
    rows = ["| rule | named as asked, % | diversity | evaluations |", "|---|---|---|---|"]
    for name, scales in SHOWN.items():
        for scale in scales:
            row = record["results"][name][scale]
            typed = record["settings"]["rules"][name].replace("SCALE", f"{float(scale):g}")
            typed = re.sub("auto:.*:", "auto:RUN@1000:", typed)
            cells = (
                f"`{typed}`",
                cell(row["accuracy"], ".1f", 100),
                cell(row["diversity"], ".2f"),
                f"{row['evaluations_per_sample']:.0f}",
            )
            rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def cell(row: dict[str, float], form: str, factor: float = 1) -> str:
    value, low, high = (format(factor * row[key], form) for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def test_the_table_is_what_was_measured() -> None:
    assert trade_off_table() in PAGE


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the commands of the page suppose."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").symlink_to(ROOT / "models")
    for block in blocks("python"):
        name = re.match(r"# (\w+\.py)\n", block)
        if name:
            (tmp_path / name[1]).write_text(block)
    grey = np.tile(np.arange(28, dtype=np.uint8) * 9, (28, 1))
    half = np.where(np.arange(28)[:, None] < 14, 255, 0).astype(np.uint8).repeat(28, 1)
    for name, pixels in {
        "shirt": grey, "blurred": grey, "mask": half, "shown": half, "coarse": grey[::4, ::4],
    }.items():  # fmt: skip
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize("line", commands())
def test_each_command_runs(line: str) -> None:
    """As it stands, but for fewer steps and samples."""
    words = shlex.split(re.sub(r"--num-steps \d+|--out \S+", "", line))[1:]
    if "--n" not in words:
        words += ["--n", "1"]
    assert main([*words, "--num-steps", "2", "--out", "out.npz"]) == 0
    assert np.isfinite(np.load("out.npz")["samples"]).all()


@pytest.mark.usefixtures("files")
def test_the_rule_of_ones_own_does_what_it_says() -> None:
    names: dict[str, Any] = {}
    (code,) = (block for block in blocks("python") if "class Symmetric" in block)
    exec(code, names)
    images = names["images"]
    torch.testing.assert_close(images, images.flip(-1), rtol=0, atol=1e-4)
