"""A trained classifier of noisy data, from its folder."""

from __future__ import annotations

from pathlib import Path

import torch

from clarion.run import folder
from clarion.run.classifier_config import AnyClassifier
from clarion.run.opening import build_trained, locate


def load_classifier(
    path: str | Path,
    *,
    device: torch.device | str = "cpu",
    step: int | None = None,
    ema_width: float | None = None,
) -> AnyClassifier:
    """Read what `clarion train-classifier` wrote; arguments as those of `Model.load`.

    Raises:
        CheckpointError: if a file is missing, truncated, of another schema version, holds other
            weights than the config says, or describes a model instead.

    Example:
        classifier = clarion.load_classifier("runs/classifier")
        images = model.sample(16, condition={"label": 3},
                              guidance=clarion.guide.ClassifierGuidance(2.0, classifier))

    Of tokens it is `clarion.guide.tokens.TokenClassifierGuidance`.
    """
    place, step = locate(path, step)
    config = folder.read_classifier_config(place)
    codec = folder.read_codec(place)
    classifier = build_trained(lambda: config.build(codec), place, step, ema_width)
    return classifier.eval().requires_grad_(False).to(device)
