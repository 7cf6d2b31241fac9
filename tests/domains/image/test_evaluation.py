"""Pictures measured by the command: what must hold of the numbers, the card, and its errors."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clarion.cli.main import main
from clarion.domains.image.evaluation import PROBED, ImageEvaluation
from clarion.domains.image.extractors import Pixels
from clarion.evaluate.frechet import frechet_distance
from clarion.evaluate.moments import sample_moments

N, SIDE = 200, 4


def pictures(n: int, seed: int) -> np.ndarray:
    """Blurred grey noise, (n, 1, SIDE, SIDE) in [0, 1]."""
    noise = np.random.default_rng(seed).random((n, 1, SIDE, SIDE + 1), np.float32)
    return (noise[..., 1:] + noise[..., :-1]) / 2


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CLARION_CACHE", str(tmp_path / "cache"))
    write("real.npz", pictures(N, 0))
    write("other.npz", pictures(N, 1))


def write(path: str, samples: np.ndarray, seed: int | None = None) -> None:
    extra: dict[str, Any] = {}
    if seed is not None:
        extra = {"seed": np.array(seed), "indices": np.arange(len(samples))}
    np.savez(path, samples=samples, **extra)


def measure(line: str) -> dict[str, Any]:
    command = f"evaluate images {line} --reference real.npz --extractor pixels --out out/card.json"
    assert main([*shlex.split(command), "--json"]) == 0
    return json.loads(Path("out/card.json").read_text())


def values(card: dict[str, Any]) -> dict[str, float]:
    return {name: metric["value"] for name, metric in card["metrics"].items()}


def test_the_numbers_are_those_of_the_pixels(capsys: pytest.CaptureFixture[str]) -> None:
    card = measure("other.npz")
    a, b = (torch.from_numpy((pictures(N, seed) * 255).round() / 255).flatten(1) for seed in (1, 0))
    expected = frechet_distance(*sample_moments(a), *sample_moments(b))
    assert values(card)["frechet"] == pytest.approx(expected, rel=1e-5)
    assert card["metrics"]["frechet"]["n"] == N
    assert "warning: fewer than 2,048 samples" in card["metrics"]["frechet"]["note"]
    assert {"kernel", "precision", "recall", "density", "coverage"} < set(card["metrics"])
    assert all(m["low"] <= m["value"] <= m["high"] for m in card["metrics"].values())
    assert card["basis"]["extractor"] == "pixels"
    assert card["basis"]["reference n"] == N
    assert card["details"]["versions"]["torch"] == torch.__version__
    assert json.loads(capsys.readouterr().out) == card


def test_the_same_pictures_are_at_no_distance_and_worse_ones_further_off() -> None:
    same = values(measure("real.npz"))
    assert same["frechet"] < 1e-9
    assert (same["precision"], same["coverage"]) == (1, 1)
    rng, found = np.random.default_rng(5), []
    for level in (0.0, 0.1, 0.2, 0.4):
        noise = level * rng.normal(size=(N, 1, SIDE, SIDE))
        write("worse.npz", np.clip(pictures(N, 1) + noise, 0, 1).astype(np.float32))
        found.append(values(measure("worse.npz")))
    for name in ("frechet", "frechet, extrapolated"):
        assert np.all(np.diff([row[name] for row in found]) > 0), name
    assert found[3]["precision"] < found[0]["precision"]
    write("darker.npz", 0.8 * pictures(N, 1))
    assert measure("darker.npz")["metrics"]["kernel"]["low"] > 0


def test_the_reference_is_measured_once_and_by_its_content(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = []

    def count(self: Pixels, shown: torch.Tensor) -> torch.Tensor:
        seen.append(len(shown))
        return plain(self, shown)

    plain = Pixels.__call__
    monkeypatch.setattr(Pixels, "__call__", count)
    part = measure("other.npz --metrics kid")["metrics"]["kernel"]
    assert sum(seen) == 2 * N + PROBED
    seen.clear()
    first = values(measure("other.npz"))  # what is kept serves all metrics
    assert sum(seen) == N + PROBED
    assert part["value"] == first["kernel"]
    seen.clear()
    write("real.npz", pictures(N, 7))
    assert values(measure("other.npz")) != first
    assert sum(seen) == 2 * N + PROBED


def test_a_function_that_gives_something_else_is_another_extractor(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("own.py").write_text(
        "import torch\n\n\ndef own(x):\n"
        "    return x.flatten(1).float() @ torch.load('weights.pt')\n"
    )
    cards = []
    for seed in (0, 1):
        weights = torch.randn(SIDE**2, 3, generator=torch.Generator().manual_seed(seed))
        torch.save(weights, "weights.pt")
        line = "evaluate images real.npz --reference real.npz --extractor own.py#own --metrics fid"
        assert main(shlex.split(f"{line} --out {seed}.json --json")) == 0
        cards.append(json.loads(Path(f"{seed}.json").read_text()))
    assert all(values(card)["frechet"] < 1e-6 for card in cards)  # to itself, not to the kept one
    assert main(shlex.split("evaluate --compare 0.json 1.json")) == 1
    assert "cannot be compared: extractor sha256" in capsys.readouterr().err


def test_training_pictures_are_not_held_out(capsys: pytest.CaptureFixture[str]) -> None:
    write("copies.npz", pictures(N, 0)[: N // 2])
    line = "evaluate images real.npz --reference real.npz --extractor pixels --metrics --held-out"
    for name, count in (("real.npz", N), ("copies.npz", N // 2)):
        assert main(shlex.split(f"{line} {name}")) == 1
        said = capsys.readouterr().err
        assert f"Each of the {count} held-out pictures is also in the reference" in said
    held = pictures(N, 2)
    held[:3] = pictures(N, 0)[7:10]  # as where data hold a few duplicates
    write("held.npz", held)
    card = measure("other.npz --metrics --held-out held.npz")
    assert card["details"]["held-out pictures that are also of the reference"] == 3


def test_nothing_is_measured_of_what_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ImageEvaluation, "_gather", lambda *_: pytest.fail("measured"))
    write("few.npz", pictures(3, 2))
    write("other_size.npz", pictures(N, 2)[..., 1:])
    for asked, message in (
        ("--held-out few.npz", "at least 5 training and as many held-out"),
        ("--held-out other_size.npz", "Held-out pictures are (1, 4, 3)"),
        ("--held-out nowhere.npz", "nowhere.npz"),
        ("--k 190", "k = 190 neighbours"),
    ):
        line = f"evaluate images other.npz --reference real.npz --extractor pixels {asked}"
        assert main(shlex.split(line)) == 1
        assert message in capsys.readouterr().err


def test_how_samples_were_resized_stands_on_the_card(capsys: pytest.CaptureFixture[str]) -> None:
    Path("drawn").mkdir()
    for i, picture in enumerate((pictures(N, 3) * 255).round().astype(np.uint8)):
        Image.fromarray(np.pad(picture[0], ((0, 0), (0, 2)))).save(f"drawn/{i:03}.png")
    for rule in ("crop", "stretch"):
        measure(f"drawn --size 4 --resize {rule}")
        Path("out/card.json").rename(f"{rule}.json")
    assert main(shlex.split("evaluate --compare crop.json stretch.json")) == 1
    assert "cannot be compared: samples resized is" in capsys.readouterr().err


def test_what_was_clipped_stands_on_the_card() -> None:
    samples = pictures(N, 1)
    samples[: N // 4, 0, 0, 0] = 1.2
    write("bright.npz", samples)
    share = measure("bright.npz")["details"]["share of numbers clipped"]
    assert share == pytest.approx(1 / 4 / SIDE**2)


def test_folders_of_pictures_are_the_same_as_files() -> None:
    for name, seed in (("real", 0), ("other", 1)):
        folder = Path(name)
        folder.mkdir()
        for i, picture in enumerate((pictures(N, seed) * 255).round().astype(np.uint8)):
            Image.fromarray(picture[0]).save(folder / f"{i:04}.png")
    expected = measure("other.npz")
    command = "evaluate images other --reference real --extractor pixels --out out/f.json --json"
    assert main(shlex.split(command)) == 0
    found = json.loads(Path("out/f.json").read_text())
    assert values(found) == values(expected)
    assert found["basis"] == expected["basis"]


def test_copies_are_found_named_and_drawn() -> None:
    copied = pictures(N, 1)
    copied[50:70] = pictures(N, 0)[100:120]
    write("copied.npz", copied)
    write("held.npz", pictures(N, 2))
    asked = "--held-out held.npz --metrics kid"
    clean = measure(f"other.npz {asked}")
    assert values(clean)["memorisation p"] > 0.05
    card = measure(f"copied.npz {asked} --pairs out/pairs.png")
    assert values(card)["memorisation p"] < 1e-3
    assert "frechet" not in card["metrics"]
    named = {(pair["sample"], pair["reference"]) for pair in card["details"]["pairs"]}
    copies = {(f"copied.npz, sample {50 + i}", f"real.npz, sample {100 + i}") for i in range(20)}
    assert copies <= named
    with Image.open("out/pairs.png") as drawn:
        assert drawn.size[0] > drawn.size[1] > 100


def test_two_runs_of_one_seed_are_compared_in_pairs(capsys: pytest.CaptureFixture[str]) -> None:
    worse = np.clip(pictures(N, 1) * 1.2, 0, 1)
    for name, samples in (("a", pictures(N, 1)), ("b", worse), ("c", pictures(N, 1))):
        write(f"{name}.npz", samples, seed=4 if name != "c" else 5)
        measure(f"{name}.npz")
        Path("out/card.json").rename(f"{name}.json")
    capsys.readouterr()
    assert main(shlex.split("evaluate --compare a.json b.json --json")) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["is_paired"]
    assert found["differences"]["frechet"]["p"] < 0.01
    assert main(shlex.split("evaluate --compare a.json c.json")) == 0
    assert "c.npz less a.npz (not paired)" in capsys.readouterr().out
    measure("c.npz --seed 1")
    assert main(shlex.split("evaluate --compare a.json out/card.json")) == 1
    assert "cannot be compared: seed is 0 for the one and 1" in capsys.readouterr().err


def with_nan() -> np.ndarray:
    bad = pictures(N, 1)
    bad[17, 0, 2, 2] = np.nan
    return bad


@pytest.mark.parametrize(
    ("samples", "asked", "message"),
    [
        (with_nan(), "", "sample 17 has values that are not finite, as have 0 others of 200"),
        (pictures(19, 1), "", "takes at least 20 samples, 2 in each of 10 groups, got 19"),
        (pictures(N, 1)[..., 1:], "", "Samples are (1, 4, 3) (channels, height, width), the ref"),
        (np.zeros((N, 2, SIDE, SIDE), np.float32), "", "bring the reference (samples in numbers"),
        (255 * pictures(N, 1), "", "reach from"),
        (2 * pictures(N, 1) - 1.5, "", "numbers are read as 0 black to 1 white"),
        (np.zeros((N, 3)), "", "must have shape (n, channels, height, width), got (200, 3)"),
        (pictures(N, 1), "--k 0", "k must be at least 1, got 0"),
        (pictures(N, 1), "--keep 5", "keep must be at least 20, got 5"),
        (pictures(N, 1), "--pairs p.png", "needs held_out"),
        (pictures(N, 1), "--extractor pixles", "Did you mean 'pixels'"),
        (pictures(N, 1), "--weights w.pt", "weights are those of the extractor inception"),
    ],
)
def test_what_cannot_be_measured(
    samples: np.ndarray, asked: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write("bad.npz", samples)
    line = f"evaluate images bad.npz --reference real.npz --extractor pixels {asked}"
    assert main(shlex.split(line)) == 1
    assert message in capsys.readouterr().err


def test_files_of_pixels_are_read_as_data_are() -> None:
    pixels = (pictures(N, 1) * 255).round().astype(np.uint8)
    np.savez("pixels.npz", images=pixels.transpose(0, 2, 3, 1))
    assert values(measure("pixels.npz")) == values(measure("other.npz"))


def test_files_that_hold_no_samples(capsys: pytest.CaptureFixture[str]) -> None:
    np.savez("none.npz", other=np.zeros(3))
    Path("text.npz").write_text("no arrays")
    line = "evaluate images {} --reference real.npz --extractor pixels"
    for name in ("none.npz", "text.npz", "missing.npz"):
        assert main(shlex.split(line.format(name))) == 1
        assert name in capsys.readouterr().err


def of_classes(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of three classes, dark, grey and light, a little mixed up: (pictures, labels)."""
    labels = np.random.default_rng(seed).integers(0, 3, n)
    return (pictures(n, seed) + labels[:, None, None, None] * 0.5) / 2, labels


def folders(where: str, names: tuple[str, ...], n: int, seed: int) -> None:
    """The same as files in class folders."""
    shown, labels = of_classes(n, seed)
    for i, picture in enumerate((shown * 255).round().astype(np.uint8)):
        folder = Path(where, names[labels[i]])
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture[0]).save(folder / f"{i:04}.png")


def test_samples_are_held_against_the_classes_that_were_asked_for() -> None:
    folders("kinds", ("1 dark", "2 grey", "3 light"), N, 0)
    asked = "--reference kinds --metrics adherence diversity"
    shown, labels = of_classes(N, 1)
    np.savez("c.npz", samples=shown, condition_label=labels)
    right = measure_against(asked, "c.npz")
    assert right["named as asked"] > 0.9
    assert right["named rightly, real"] > 0.9
    assert right["diversity within a class"] == pytest.approx(1, abs=0.1)
    np.savez("c.npz", samples=shown, condition_label=(labels + (np.arange(N) % 2)) % 3)
    wrong = measure_against(asked, "c.npz")
    assert wrong["named as asked"] == pytest.approx(right["named as asked"] / 2, abs=0.06)
    assert wrong["named rightly, real"] == right["named rightly, real"]
    # Of files in folders, classes are found by their names, whatever their order.
    folders("drawn", ("1 dark", "2 grey", "3 light"), N, 1)
    assert measure_against(asked, "drawn") == pytest.approx(right)


def test_cards_of_other_classes_are_not_compared(capsys: pytest.CaptureFixture[str]) -> None:
    shown, labels = of_classes(N, 0)
    images = (shown * 255).round().astype(np.uint8).transpose(0, 2, 3, 1)
    samples, asked = of_classes(N, 1)
    np.savez("c.npz", samples=samples, condition_label=asked)
    for name, of in (("a", labels), ("b", labels // 2)):
        np.savez(f"{name}.npz", images=images, labels=of)
        line = f"evaluate images c.npz --reference {name}.npz --metrics diversity --json"
        if name == "b":
            np.savez("c.npz", samples=samples, condition_label=asked // 2)
        assert main(shlex.split(f"{line} --extractor pixels --out {name}.json")) == 0
    assert main(shlex.split("evaluate --compare a.json b.json")) == 1
    assert "cannot be compared: classes sha256 is" in capsys.readouterr().err


def measure_against(asked: str, samples: str) -> dict[str, float]:
    command = f"evaluate images {samples} {asked} --extractor pixels --out out/c.json --json"
    assert main(shlex.split(command)) == 0
    return values(json.loads(Path("out/c.json").read_text()))


@pytest.mark.parametrize(
    ("arrays", "names", "message"),
    [
        ({}, ("a", "b", "c"), "c.npz does not say what was asked for"),
        ({"condition_label": np.full(N, 3)}, ("a", "b", "c"), "sample 0: Unknown class '3'"),
        ({"condition_label": np.zeros(3)}, ("a", "b", "c"), "one whole number for each of 200"),
        ({"condition_label": np.zeros(N, int)}, (), "The pictures of kinds have no labels"),
    ],
)
def test_classes_that_are_not_known(
    arrays: dict[str, np.ndarray],
    names: tuple[str, ...],
    message: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folders("kinds", names or ("", "", ""), N, 0)
    np.savez("c.npz", samples=of_classes(N, 1)[0], **arrays)
    line = "evaluate images c.npz --reference kinds --extractor pixels --metrics adherence"
    assert main(shlex.split(line)) == 1
    assert message in capsys.readouterr().err


def test_folders_of_other_classes(capsys: pytest.CaptureFixture[str]) -> None:
    folders("kinds", ("a", "b", "c"), N, 0)
    folders("drawn", ("a", "b", "d"), N, 1)
    line = "evaluate images drawn --reference kinds --extractor pixels --metrics adherence"
    assert main(shlex.split(line)) == 1
    message = capsys.readouterr().err
    assert "drawn/d/" in message
    assert "Unknown class 'd'" in message
