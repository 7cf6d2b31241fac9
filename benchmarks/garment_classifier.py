"""A classifier of clean garments, trained by itself, as a judge of steered samples.

It shares nothing with the model whose samples it judges but the training pictures. It is written in
plain PyTorch, so that a fault of Clarion's networks cannot hide in both.
"""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional as F

from clarion.domains.image.image_set import ImageSet
from clarion.domains.tables import RECIPES

NUM_STEPS, BATCH_SIZE, LEARNING_RATE = 3000, 128, 2e-3


class GarmentClassifier(nn.Module):
    """Three convolutions and two linear layers, for pictures (batch, 1, 28, 28) in [0, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.convolve = nn.Sequential(
            nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.Flatten(),
        )  # fmt: skip
        self.features = nn.Sequential(nn.Linear(64 * 49, 64), nn.ReLU())
        self.classify = nn.Linear(64, 10)

    def embed(self, images: Tensor) -> Tensor:
        """Features (batch, 64), in which distances are measured."""
        return self.features(self.convolve(2 * images.clamp(0, 1) - 1))

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the ten classes, (batch, 10)."""
        return self.classify(self.embed(images))


def garments(split: str) -> ImageSet:
    """The pictures of the model's training ("train"), or those it never saw ("test")."""
    config = RECIPES["fashion"]()
    data = config.data if split == "train" else config.validation
    assert data is not None, "the recipe names its validation pictures"
    return data.open()


def batch(examples: ImageSet, indices: Tensor) -> tuple[Tensor, Tensor]:
    """Pictures in [0, 1] and their labels."""
    pixels, condition = examples.batch(indices)
    return pixels.float() / 255, condition.values["label"]


def load_or_train(path: Path) -> GarmentClassifier:
    """The classifier from a file or, where there is none, trained (some minutes) and written."""
    classifier = GarmentClassifier()
    if path.is_file():
        classifier.load_state_dict(load_file(path))
        return classifier.eval().requires_grad_(False)
    torch.manual_seed(0)
    classifier.apply(lambda m: m.reset_parameters() if hasattr(m, "reset_parameters") else None)
    examples = garments("train")
    optimizer = torch.optim.AdamW(classifier.parameters(), LEARNING_RATE, weight_decay=0.01)
    for step in range(NUM_STEPS):
        optimizer.param_groups[0]["lr"] = LEARNING_RATE * (1 - step / NUM_STEPS)
        images, labels = batch(examples, torch.randint(len(examples), (BATCH_SIZE,)))
        if step % 2:
            images = images.flip(-1)
        optimizer.zero_grad()
        F.cross_entropy(classifier(images), labels).backward()
        optimizer.step()
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(classifier.state_dict(), path)
    return classifier.eval().requires_grad_(False)


@torch.no_grad()
def accuracy_on_test_pictures(classifier: GarmentClassifier, n: int = 5000) -> float:
    """Share of the first `n` test pictures that it names rightly."""
    images, labels = batch(garments("test"), torch.arange(n))
    found = torch.cat([classifier(part).argmax(1) for part in images.split(500)])
    return float((found == labels).double().mean())
