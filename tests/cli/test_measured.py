"""Inpainting and measurements from files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clarion.cli.main import main
from clarion.run.model import Model

SIDE = 8


@pytest.fixture
def files(tmp_path: Path, saved_model: Path) -> Path:
    """A folder with a picture, a mask whose lower half is white, and a coarser picture."""
    channels = Model.load(saved_model).config.shape[0]
    mode = {1: "L", 3: "RGB"}[channels]
    grey = np.arange(SIDE * SIDE, dtype=np.uint8).reshape(SIDE, SIDE) * 3
    Image.fromarray(grey).convert(mode).save(tmp_path / "picture.png")
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[SIDE // 2 :] = 255
    Image.fromarray(mask).save(tmp_path / "mask.png")
    Image.fromarray(mask[:-1]).save(tmp_path / "short.png")
    Image.fromarray(mask[:1, :1]).save(tmp_path / "dot.png")
    Image.fromarray(np.dstack([grey, mask, mask])).save(tmp_path / "colour.png")
    np.save(tmp_path / "flat.npy", np.zeros((SIDE, SIDE)))
    np.save(tmp_path / "levels.npy", mask)
    np.save(tmp_path / "undivided.npy", grey[None] * 1.0)
    coarse = grey.reshape(SIDE // 2, 2, SIDE // 2, 2).mean((1, 3))
    np.save(tmp_path / "coarse.npy", np.repeat(coarse[None] / 255, channels, axis=0))
    return tmp_path


def draw(model: Path, out: Path, *arguments: object) -> np.ndarray:
    words = ["sample", model, "--n", 2, "--num-steps", 4, "--out", out, *arguments]
    assert main([str(word) for word in words]) == 0
    with np.load(out) as file:
        return file["samples"]


def test_what_is_black_in_the_mask_is_kept(saved_model: Path, files: Path) -> None:
    picture = np.asarray(Image.open(files / "picture.png").convert("L")) / 255
    arguments = "--inpaint", files / "picture.png", files / "mask.png"
    samples = draw(saved_model, files / "out.npz", *arguments)
    upper, lower = samples[:, :, : SIDE // 2], samples[:, :, SIDE // 2 :]
    np.testing.assert_allclose(upper, np.broadcast_to(picture[: SIDE // 2], upper.shape), atol=1e-5)
    assert np.abs(lower - picture[SIDE // 2 :]).max() > 0.1


@pytest.mark.parametrize("method", ["pigdm", "mmps"])
def test_a_measurement_draws_the_samples_near(saved_model: Path, files: Path, method: str) -> None:
    y = np.load(files / "coarse.npy")

    def misfit(*arguments: object) -> float:
        x = draw(saved_model, files / "out.npz", *arguments)
        coarse = x.reshape(*x.shape[:2], SIDE // 2, 2, SIDE // 2, 2).mean((3, 5))
        return float(np.sqrt(((coarse - y) ** 2).mean()))

    measured = "--measure", "downsample:2", files / "coarse.npy", "--method", method
    assert misfit(*measured, "--sigma-y", 0.05) < 0.8 * misfit()


def test_a_measurement_has_a_sampler_of_its_own(saved_model: Path, files: Path) -> None:
    words = "--measure", "downsample:2", files / "coarse.npy"
    model, out = str(saved_model), files / "out.npz"
    assert main(["sample", model, "--n", "1", "--out", str(out), *map(str, words)]) == 0
    chosen = draw(saved_model, files / "same.npz", *words, "--sampler", "ddpm", "--num-steps", 50)
    np.testing.assert_allclose(np.load(out)["samples"], chosen[:1], atol=1e-5)


def test_the_method_is_passed_on(saved_model: Path, files: Path) -> None:
    arguments = "--measure", "downsample:2", files / "coarse.npy", "--sigma-y", 0.3
    dps, mmps = (
        draw(saved_model, files / "out.npz", *arguments, "--method", method)
        for method in ("dps", "mmps")
    )
    assert np.abs(dps - mmps).max() > 1e-3


def test_frequencies_are_read_from_a_file(saved_model: Path, files: Path) -> None:
    """Those of numpy's transform, real and imaginary parts last, are met by the samples."""
    picture = np.asarray(Image.open(files / "picture.png").convert("L")) / 255
    frequencies = np.fft.fft2(picture, norm="ortho")
    np.save(files / "y.npy", np.stack([frequencies.real, frequencies.imag], axis=-1)[None])
    measured = "--measure", "fourier:1", files / "y.npy", "--num-steps", 20
    samples = draw(saved_model, files / "out.npz", *measured)
    assert np.abs(samples - picture).mean() < 0.05


def test_noise_may_lead_far_out_of_what_pictures_give(saved_model: Path, files: Path) -> None:
    """White measured with noise of deviation 1 is 5 now and then; so it is not refused."""
    np.save(files / "noisy.npy", np.full((1, SIDE, SIDE), 5.0))
    draw(saved_model, files / "out.npz", "--measure", "blur:1", files / "noisy.npy", "--sigma-y", 1)


def test_what_a_mask_hides_is_not_read(saved_model: Path, files: Path) -> None:
    hidden = np.arange(SIDE)[:, None] < SIDE // 2  # what is black in the mask
    drawn = []
    for filler in (0.0, -999.0):
        np.save(files / "y.npy", np.where(hidden, filler, 0.5).repeat(SIDE, 1)[None])
        measured = "--measure", f"mask:{files}/mask.png", files / "y.npy"
        drawn.append(draw(saved_model, files / "out.npz", *measured))
    np.testing.assert_array_equal(*drawn)


def test_a_function_of_ones_own_can_be_what_is_measured(saved_model: Path, files: Path) -> None:
    (files / "own.py").write_text("def square(x):\n    return x[:, :, ::2, ::2] ** 2\n")
    y = np.load(files / "coarse.npy") ** 2

    def misfit(*arguments: object) -> float:
        x = draw(saved_model, files / "out.npz", *arguments)
        return float(np.sqrt(((x[:, :, ::2, ::2] ** 2 - y) ** 2).mean()))

    measured = "--measure", f"function:{files}/own.py#square", files / "coarse.npy"
    np.save(files / "coarse.npy", y)
    assert misfit(*measured, "--method", "dps", "--sigma-y", 0.3) < 0.8 * misfit()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--inpaint picture.png short.png", "short.png must have shape (1, 8, 8) for samples of"),
        ("--inpaint picture.png dot.png", "dot.png must have shape (1, 8, 8) for samples of"),
        ("--inpaint picture.png flat.npy", "flat.npy must have shape (1, 8, 8) for samples of"),
        ("--inpaint short.png mask.png", "short.png must have shape (1, 8, 8) for samples of"),
        ("--inpaint colour.png mask.png", "colour.png is in colour where grey is wanted"),
        ("--measure mask:dot.png coarse.npy", "dot.png must have shape (1, 8, 8) for samples of"),
        ("--measure blur:2 colour.png", "colour.png is in colour where grey is wanted"),
        ("--measure blur:2 levels.npy", "levels.npy must hold floating-point numbers"),
        ("--measure blur:2 undivided.npy", "as far from 0 as 189, and blur:2 makes at most 1 of"),
        ("--measure mask:mask.png undivided.npy", "divide levels of 0 to 255 by 255"),
        ("--measure blur:2 gone.npy", "clarion: There is no file gone.npy."),
        ("--measure fourier:0.5 flat.npy", "y must have shape (1, 8, 8, 2)"),
        ("--inpaint gone.png mask.png", "There is no file"),
        ("--measure downsample:4 coarse.npy", "y must have shape"),
        ("--measure downsample:3 coarse.npy", "factor 3 of downsample must divide"),
        ("--measure blurr:2 coarse.npy", "Did you mean 'blur'"),
        ("--measure blur:sigm=2 coarse.npy", "Did you mean 'sigma'"),
        ("--measure downsample:2 coarse.npy --method mmpps", "Did you mean 'mmps'"),
        (
            "--measure downsample:2 coarse.npy --sigma-y 0",
            "clarion: sigma_y must be a finite number above 0",
        ),
        ("--measure function:gone.py#f coarse.npy", "There is no file gone.py"),
        ("--measure mask:mask.png coarse.npy", "y must have shape"),
    ],
)
def test_what_does_not_fit_is_named(
    saved_model: Path,
    files: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: str,
    message: str,
) -> None:
    monkeypatch.chdir(files)
    assert main(["sample", str(saved_model), *arguments.split()]) == 1
    assert message in capsys.readouterr().err
