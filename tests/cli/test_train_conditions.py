"""`clarion train` on pictures with texts, tags and numbers, from the folder to samples."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import clarion
from clarion.cli.main import main

TINY = shlex.split(
    "--network.base-channels 8 --network.channel-multipliers 1 2 --network.attention-levels 1 "
    "--network.head-width 8 --network.blocks-per-level 1 --batch-size 4 --num-steps 6 "
    "--validate-every 3 --checkpoint-every 3 --precision float32 --device cpu --json"
)
ASKED = ["--conditions", "caption=text:max_tokens=6", "words=tags", "body=vector:weight+height"]


@pytest.fixture
def described(picture_folder: Path) -> Path:
    """Sixteen pictures; three have a weight, one a caption, two tags."""
    (picture_folder / "metadata.csv").write_text(
        "file_name,caption,words,weight,height\n"
        'left/0.png,"lit, on the left",dim;left,3,1\n'
        "left/1.png,,,5,1\n"
        "right/3.png,,dim,13,4\n"
        "right/4.png,,,,7\n"
    )
    return picture_folder


def test_what_is_known_of_pictures_steers_the_model(
    described: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train = ["train", "images", "--data", str(described), *ASKED, *TINY]
    whole, run = tmp_path / "whole", tmp_path / "run"
    assert main([*train, "--out", str(whole)]) == 0
    assert main([*train, "--out", str(run), "--stop-after", "2"]) == 0
    assert main(["train", "--resume", str(run), "--stop-after", "4", "--json"]) == 0
    assert main(["train", "--resume", str(run), "--json"]) == 0
    weights = [(place / "model.safetensors").read_bytes() for place in (whole, run)]
    assert weights[0] == weights[1]

    spec = clarion.load(run).config.condition
    assert list(spec) == ["label", "caption", "words", "body"]
    table = np.array([[3, 1], [5, 1], [13, 4]], dtype=float)
    np.testing.assert_allclose(spec["body"].mean, table.mean(0), rtol=1e-14)
    np.testing.assert_allclose(spec["body"].std, table.std(0), rtol=1e-14)
    assert spec["words"].tag_names == ("dim", "left")
    report = json.loads((run / "log.jsonl").read_text().splitlines()[0])["data"]
    assert report["conditions"]["caption"]["examples"] == ["lit, on the left"]

    sample = ["sample", str(run), "--n", "2", "--num-steps", "1", "--out", str(tmp_path / "s.npz")]
    asked = ["caption=lit, on the left", "caption=dark", "words=dim+left", "body=4,2"]
    assert main([*sample, "--condition", *asked]) == 0
    with np.load(tmp_path / "s.npz") as content:
        expected = (np.array([[4, 2]] * 2) - table.mean(0)) / table.std(0)
        np.testing.assert_allclose(content["condition_body"], expected, atol=1e-6)
        assert content["condition_caption"].shape == (2, 6, 256)
        assert content["condition_words"].tolist() == [[1, 1], [1, 1]]
    capsys.readouterr()
    assert main([*sample, "--condition", "caption=a b c d e f g h"]) == 1
    assert "A text may have 6 tokens" in capsys.readouterr().err


def test_a_resumed_training_keeps_its_classes_and_units(
    described: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """What stands in the data by now is measured by the spec that was saved, or refused."""
    run = tmp_path / "run"
    train = ["train", "images", "--data", str(described), *ASKED, *TINY, "--out", str(run)]
    assert main([*train, "--stop-after", "2"]) == 0
    before = clarion.load(run).config
    file = described / "metadata.csv"
    file.write_text(file.read_text().replace("dim,13,4", "dim,14,4"))
    assert main(["train", "--resume", str(run), "--stop-after", "3", "--json"]) == 0
    assert clarion.load(run).config == before
    file.write_text(file.read_text().replace("dim,14,4", "dark,14,4"))
    capsys.readouterr()
    assert main(["train", "--resume", str(run), "--json"]) == 1
    message = capsys.readouterr().err
    assert "3.png, column 'words': Unknown tag of words 'dark'" in message
    file.unlink()
    assert main(["train", "--resume", str(run), "--json"]) == 1
    assert "has no metadata.csv" in capsys.readouterr().err


def test_a_field_is_named_by_its_picture(
    described: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    masks = tmp_path / "masks"
    masks.mkdir()
    for number, side in enumerate((8, 8, 9)):
        pixels = np.full((side, side), 100 * number, np.uint8)
        Image.fromarray(pixels).save(masks / f"{number}.png")
    rows = "left/0.png,../masks/0.png\nright/1.png,../masks/1.png\n"
    (described / "metadata.csv").write_text(f"file_name,mask\n{rows}")
    run = tmp_path / "run"
    train = ["train", "images", "--data", str(described), "--conditions", "mask=field", *TINY]
    assert main([*train, "--out", str(run), "--stop-after", "1"]) == 0
    sample = ["sample", str(run), "--n", "2", "--num-steps", "1", "--out", str(tmp_path / "s.npz")]
    assert main([*sample, "--condition", f"mask={masks}/1.png,{masks}/0.png"]) == 0
    with np.load(tmp_path / "s.npz") as content:
        expected = np.stack([np.full((1, 8, 8), 100 / 255), np.zeros((1, 8, 8))])
        np.testing.assert_allclose(content["condition_mask"], expected, atol=1e-7)
    assert main([*sample, "--condition", f"mask={masks}/1.png"]) == 0
    for file, message in (("2.png", r"must have shape (1, 8, 8)"), ("3.png", "There is no file")):
        capsys.readouterr()
        assert main([*sample, "--condition", f"mask={masks}/{file}"]) == 1
        assert message in capsys.readouterr().err


def test_the_recipe_for_texts_needs_a_column_of_them(
    described: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", "text_to_image", "--data", str(described), *TINY, "--stop-after", "1"]
    assert main([*words, "--out", str(tmp_path / "run")]) == 0
    assert list(clarion.load(tmp_path / "run").config.condition) == ["label", "caption"]
    capsys.readouterr()
    asked = ["--conditions", "caption=text:captions"]
    assert main([*words, *asked, "--out", str(tmp_path / "b")]) == 1
    assert "Unknown column 'captions'. Did you mean 'caption'?" in capsys.readouterr().err
    assert not (tmp_path / "b").exists()
