"""`clarion inspect`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file

from clarion.cli.main import main
from clarion.run.model import Model


def test_a_model(saved_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(saved_model), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["model"]["shape"] == [1, 8, 8]
    assert content["model"]["process"]["kind"] == "edm"
    expected = sum(p.numel() for p in Model.load(saved_model).denoiser.parameters())
    assert content["weights"] == f"{expected:,}, whole and finite"


def test_weights_that_are_not_finite_are_seen(
    saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Model.load(saved_model).save(tmp_path / "copy")
    file = tmp_path / "copy" / "model.safetensors"
    tensors = load_file(file)
    tensors["enter.bias"][0] = torch.nan
    save_file(tensors, file)
    main(["inspect", str(tmp_path / "copy")])
    assert "NOT FINITE" in capsys.readouterr().out
    main(["inspect", str(file)])
    assert "NOT ALL FINITE" in capsys.readouterr().out


def test_a_weights_file(saved_model: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(saved_model / "model.safetensors"), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["enter.bias"] == "float32 (8,)"


def test_data(picture_folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(picture_folder), "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["count"] == 16
    assert content["class_counts"] == {"left": 8, "right": 8}


def test_data_take_the_flags_that_say_how_to_read_them(
    picture_folder: Path, saved_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (picture_folder / "left" / "broken.png").write_bytes(b"no picture")
    flags = ["--size", "4", "--resize", "stretch", "--skip-bad"]
    assert main(["inspect", str(picture_folder), "--json"]) == 1
    assert "--skip-bad" in capsys.readouterr().err
    for arguments in (
        [str(picture_folder), "--json", *flags],
        [*flags, str(picture_folder), "--json"],
    ):
        assert main(["inspect", *arguments]) == 0
        content = json.loads(capsys.readouterr().out)
        assert (content["shape"], content["num_skipped"]) == ([1, 4, 4], 1)
    assert main(["inspect", str(saved_model), *flags]) == 1
    assert "is no data" in capsys.readouterr().err


def test_data_that_cannot_be_used_as_they_are_are_surveyed(
    picture_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.new("RGB", (20, 8)).save(picture_folder / "left" / "wide.png")
    (picture_folder / "right" / "broken.png").write_bytes(b"no picture")
    assert main(["inspect", str(picture_folder), "--json"]) == 1
    shown = capsys.readouterr()
    content = json.loads(shown.out)
    assert content["count"] == 18
    assert content["sizes"] == {"8x8": 16, "20x8": 1}
    assert content["channels"] == {"1": 16, "3": 1}
    assert [Path(bad["name"]).name for bad in content["bad"]] == ["broken.png"]
    assert "wide.png" in shown.err
    assert main(["inspect", str(picture_folder)]) == 1
    assert "8x8 (16), 20x8 (1)" in capsys.readouterr().out


def test_conditions_out_of_columns_are_listed(
    picture_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "left/0.png,3.5,a picture\nleft/1.png,4.5,\n"
    (picture_folder / "metadata.csv").write_text(f"file_name,weight,caption\n{rows}")
    assert main(["inspect", str(picture_folder)]) == 0
    assert "columns weight, caption" in capsys.readouterr().out
    asked = ["--conditions", "weight=vector:units=kg", "caption=text"]
    assert main(["inspect", str(picture_folder), *asked, "--json"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert {name: c["present"] for name, c in content["conditions"].items()} == {
        "weight": 2,
        "caption": 1,
    }
    assert content["conditions"]["weight"]["parts"][0]["unit"] == "kg"
    assert main(["inspect", str(picture_folder), "--conditions", "weight=text", "c=txt"]) == 1
    assert "Did you mean 'text'" in capsys.readouterr().err
    (picture_folder / "metadata.csv").write_text(f"file_name,weight,caption\n{rows}x.png,3,\n")
    assert main(["inspect", str(picture_folder), *asked]) == 1
    assert "line 4: there is no 'x.png'" in capsys.readouterr().err


def test_a_truncated_file_is_named(
    saved_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes((saved_model / "model.safetensors").read_bytes()[:-100])
    assert main(["inspect", str(cut)]) == 1
    assert "cut.safetensors is truncated" in capsys.readouterr().err


def test_sequences(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = tmp_path / "genes.csv"
    table.write_text("sequence,score\nACG,1\nAC,2\n")
    for arguments in ([str(table), "--alphabet", "dna"], ["--alphabet", "dna", str(table)]):
        assert main(["inspect", *arguments, "--conditions", "y=vector:score", "--json"]) == 0
        content = json.loads(capsys.readouterr().out)
        assert (content["count"], content["length"]) == (2, 3)
        assert content["vocabulary"] == {"A": 2, "C": 2, "G": 1, "T": 0}
        assert content["conditions"]["y"]["present"] == 2
    assert main(["inspect", str(table), "--alphabet", "protien"]) == 1
    assert "Did you mean 'protein'" in capsys.readouterr().err
    table.write_text("sequence\nACG\nAXC\n")
    assert main(["inspect", str(table), "--alphabet", "dna"]) == 1
    shown = capsys.readouterr()
    assert "genes.csv, line 3, column 'sequence': unknown letter 'X'" in shown.err
    assert not shown.out
    (tmp_path / "book.txt").write_text("ab" * 20)
    assert main(["inspect", str(tmp_path / "book.txt"), "--length", "6", "--stride", "2"]) == 0
    assert "sequences   18" in capsys.readouterr().out
