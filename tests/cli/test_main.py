"""The command line as a person meets it: help, typos, errors in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import clarion
from clarion.cli.main import COMMANDS, main


def test_without_a_command_it_shows_them_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == clarion.__version__


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (["smaple"], "Did you mean 'sample'?"),
        (["train", "fashoin"], "Did you mean 'fashion'?"),
        (["train"], "Name a recipe"),
        (["train", "images", "--process", "vp_cosin"], "Did you mean 'vp_cosine'?"),
        (["train", "--resume", "nowhere"], "nowhere/config.json is missing"),
        (["train", "images", "--batch-size", "0"], "batch_size must be at least 1, got 0"),
        (["sample", "nowhere"], "There is no folder nowhere"),
        (["inspect", "nowhere.safetensors"], "nowhere.safetensors is missing"),
        (["inspect", "nowhere"], "nowhere"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(
    arguments: list[str], hint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert hint in captured.err
    assert captured.err.startswith("clarion: ")
    assert captured.err.count("\n") == 1


def test_a_place_that_cannot_be_written_to_is_one_line(
    saved_model: Path,
    picture_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("no folder")
    out = str(tmp_path / "file" / "x.png")
    for arguments in (
        ["sample", str(saved_model), "--num-steps", "1", "--out", out],
        ["train", "images", "--data", str(picture_folder), "--out", str(tmp_path / "file")],
        ["train", "images", "--data", str(picture_folder), "--out", out],
    ):
        assert main(arguments) == 1
        error = capsys.readouterr().err
        assert error.startswith("clarion: ")
        assert str(tmp_path / "file") in error
        assert error.count("\n") == 1


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"clarion {command}" in capsys.readouterr().out


def test_importing_clarion_imports_nothing_heavy() -> None:
    code = "import sys, clarion; print(sorted(m for m in sys.modules if m.count('.') == 0))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for heavy in ("torch", "numpy", "matplotlib", "datasets", "tyro", "rich", "PIL"):
        assert f"'{heavy}'" not in shown.stdout


def test_the_library_reaches_its_parts_by_name() -> None:
    code = (
        "import clarion; clarion.guide.CFG(2.0); clarion.load; clarion.Model; "
        "import sys; print([m for m in ('matplotlib', 'datasets', 'tyro') if m in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_an_unknown_part_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'gide'"):
        clarion.gide  # noqa: B018
