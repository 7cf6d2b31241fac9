"""What turns pictures into features: the Inception network, another, a function of one's own, or
nothing at all.

Numbers of different extractors are not to be compared, so each states what it is: a name, the
SHA-256 of what computes, and how pictures are resized.
"""

from __future__ import annotations

import hashlib
import warnings
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from clarion.base.errors import ClarionError, DataError
from clarion.base.names import NameTable
from clarion.base.pretrained import load_pretrained
from clarion.domains.image.inception import SIDE, find_weights
from clarion.run.cache import sha256_of
from clarion.run.functions import load_function

AT_ONCE = 16
"""Pictures that Inception sees at a time on a processor: more do not fit into its cache."""


class Extractor(ABC):
    """Pictures (n, channels, height, width) uint8 in, features (n, dim) float32 out."""

    name: str
    sha256: str
    resize: str
    """How pictures are brought to the size that is wanted, in words."""

    @abstractmethod
    def __call__(self, pictures: Tensor) -> Tensor: ...

    def told_by(self, features: Tensor) -> str:
        """A SHA-256 by which it is known, given what it makes of some known pictures (n, dim)."""
        return self.sha256


class Inception(Extractor):
    """The network of FID: 2048 features of a picture of 299 x 299.

    Args:
        weights: its file; None finds or fetches it.
        device: where to compute.
    """

    name = "inception"
    resize = f"bilinear to {SIDE}x{SIDE}, align_corners=False, no antialiasing"

    def __init__(self, weights: Path | None, device: torch.device) -> None:
        path = find_weights(weights)
        self.sha256 = sha256_of(path)
        self._device = device
        with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
            self._network = torch.jit.load(path, map_location=device).eval()

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        at_once = AT_ONCE if self._device.type == "cpu" else len(pictures)
        return torch.cat([self._features(part) for part in pictures.split(at_once)])

    def _features(self, pictures: Tensor) -> Tensor:
        unit = in_colour(pictures).to(self._device).float() / 255
        sized = interpolate(unit, (SIDE, SIDE), mode="bilinear", align_corners=False)
        shown = (2 * sized - 1).contiguous(memory_format=torch.channels_last)
        with _in_float32():
            return self._network(shown).float()


class VisionModel(Extractor):
    """The pooled features of a vision model of the library `transformers`, by its name.

    Args:
        model: a name on the hub, or a folder.
        device: where to compute.
    """

    resize = "as the model's own image processor does"

    def __init__(self, model: str, device: torch.device) -> None:
        if not model:
            raise ClarionError(
                "The extractor transformers needs the name of a vision model, such as "
                "'transformers:facebook/dinov2-small'."
            )
        name = f"extractor 'transformers:{model}'"
        self._prepare, whole = load_pretrained(name, model, "AutoImageProcessor")
        self._network = getattr(whole, "vision_model", whole).to(device).eval()
        self._device = device
        self.name = f"transformers:{model}"
        self.sha256 = _hash_of(self._network, self._prepare.to_json_string())

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        rows = [picture.permute(1, 2, 0).numpy() for picture in in_colour(pictures).cpu()]
        ready = self._prepare(images=rows, input_data_format="channels_last", return_tensors="pt")
        with _in_float32():
            found = self._network(pixel_values=ready["pixel_values"].to(self._device))
        pooled = getattr(found, "pooler_output", None)
        return (found.last_hidden_state.mean(1) if pooled is None else pooled).flatten(1).float()


class OwnFunction(Extractor):
    """A function of one's own, FILE.py#FUNCTION, from pictures to features."""

    resize = "as the function does"

    def __init__(self, text: str) -> None:
        self._function = load_function(text)
        file, _, self.name = text.rpartition("#")
        self.sha256 = sha256_of(Path(file).expanduser())

    @torch.no_grad()
    def __call__(self, pictures: Tensor) -> Tensor:
        found: Any = self._function(pictures)
        if not isinstance(found, Tensor) or found.ndim != 2 or len(found) != len(pictures):
            got = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise ClarionError(
                f"{self.name} must give features of shape ({len(pictures)}, dim) for "
                f"{len(pictures)} examples, got {got}."
            )
        return found.float()

    def told_by(self, features: Tensor) -> str:
        """By its file and what it gives: it may read weights of which the file says nothing."""
        content = features.cpu().contiguous().numpy().tobytes()
        return hashlib.sha256(self.sha256.encode() + content).hexdigest()


class Pixels(Extractor):
    """The pictures themselves, in units of 0 black to 1 white."""

    name, sha256, resize = "pixels", "", "none"

    def __call__(self, pictures: Tensor) -> Tensor:
        return pictures.flatten(1).float() / 255


def in_colour(pictures: Tensor) -> Tensor:
    """Grey or RGB pictures as RGB.

    Raises:
        DataError: for other channels.
    """
    channels = pictures.shape[1]
    if channels not in (1, 3):
        raise DataError(
            f"The extractor takes pictures of 1 (grey) or 3 (RGB) channels, got "
            f"{channels}; set channels to 3 where they are read from files of pictures, or choose "
            "another extractor."
        )
    return pictures.expand(-1, 3, -1, -1)


EXTRACTORS = NameTable(
    "extractor", {"inception": Inception, "transformers": VisionModel, "pixels": Pixels}
)


def open_extractor(
    text: str, weights: Path | None = None, device: torch.device | str = "cpu"
) -> Extractor:
    """The extractor "inception", "transformers:NAME", "pixels", or "FILE.py#FUNCTION".

    Args:
        text: its name.
        weights: the file of the Inception network; None finds or fetches it.
        device: where a network computes.

    Raises:
        ClarionError: for an unknown name, or what cannot be had.
    """
    device = torch.device(device)
    if weights is not None and text != "inception":
        raise ClarionError(f"weights are those of the extractor inception, not of {text!r}.")
    if "#" in text:
        return OwnFunction(text)
    name, _, model = text.partition(":")
    kind = EXTRACTORS[name]
    if model and kind is not VisionModel:
        raise ClarionError(f"The extractor {name} takes nothing behind a colon, got {model!r}.")
    if kind is Inception:
        return Inception(weights, device)
    return VisionModel(model, device) if kind is VisionModel else Pixels()


def _in_float32() -> AbstractContextManager[None]:
    """Convolutions on an accelerator as on a processor: by default their factors have ten bits."""
    return torch.backends.cudnn.flags(enabled=True, allow_tf32=False)


def _hash_of(network: torch.nn.Module, preparation: str) -> str:
    """Of the weights, and of how pictures are prepared for them."""
    digest = hashlib.sha256(preparation.encode())
    for name, value in network.state_dict().items():
        digest.update(name.encode())
        digest.update(
            value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
        )
    return digest.hexdigest()
