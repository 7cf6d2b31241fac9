"""The page on pictures: its metadata file is one, and what is said of it is what is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clarion.cli.main import main

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "images.md").read_text()


def test_the_metadata_of_the_page_are_read_as_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (csv,) = re.findall(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    command, printed = re.search(
        r"```sh\n(clarion inspect [^\n]* --conditions [^\n]*)\n```\n\n```text\n(.*?)```",
        PAGE,
        re.DOTALL,
    ).groups()
    rng = np.random.default_rng(0)
    for name in ("cat/1.png", "cat/2.png", "dog/1.png", "dog/2.png"):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(rng.integers(0, 256, (4, 4), dtype=np.uint8)).save(path)
    (tmp_path / "photos" / "metadata.csv").write_text(csv)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    assert main(shlex.split(command)[1:]) == 0
    lines = [line.rstrip() for line in capsys.readouterr().out.splitlines()]
    start = next(i for i, line in enumerate(lines) if line.startswith("caption "))
    expected = printed.splitlines()
    assert lines[start : start + len(expected)] == expected
