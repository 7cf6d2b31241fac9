"""Pictures of steered garments for `docs/guidance.md`: parts that are known, measurements, rewards.

The pictures that are measured are test pictures, which the model never saw. Run it from the root of
the repository, with Debian's package `dataset-fashion-mnist` or the hub at hand.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

import clarion
from clarion.domains.image.drawing import save_labelled_grid
from clarion.guide import Guidance, Inpaint, Reward
from clarion.guide.measurement import MEASURED, MMPS
from clarion.guide.measurement.operators import Blur, Downsample, Mask
from garment_classifier import batch, garments, load_or_train

CLASSES = ("t-shirt", "trouser", "pullover", "sandal", "bag", "ankle boot")
SIGMA_Y = 0.02
STEPS = {"sampler": "ddpm", "num_steps": 100}


def test_picture_of_each() -> Tensor:
    """The first test picture of each class, (classes, 1, 28, 28)."""
    images, labels = batch(garments("test"), torch.arange(200))
    names = garments("test").class_names
    first = [int(torch.nonzero(labels == names.index(name))[0, 0]) for name in CLASSES]
    return images[first]


def drawn(model: clarion.Model, rule: Guidance, n: int = 2) -> Tensor:
    """Samples under one rule, (n, 1, 28, 28)."""
    return model.sample(n, guidance=rule, **STEPS)


def inpainting(model: clarion.Model, pictures: Tensor, out: Path) -> None:
    """The lower half anew: replaced, with RePaint's way back and forth, and as a measurement."""
    known = torch.ones(28, 28)
    known[14:] = 0
    rows = []
    for picture in pictures:
        replaced = Inpaint(picture, known)
        repainted = model.sample(2, guidance=replaced, sampler="repaint", num_steps=50)
        measured = MMPS(picture * known, Mask(known), SIGMA_Y)
        seen = torch.stack([picture, picture * known])
        rows.append(torch.stack([seen, drawn(model, replaced), repainted, drawn(model, measured)]))
    save_labelled_grid(
        torch.stack(rows),
        out / "guidance_inpainting.png",
        row_labels=CLASSES,
        group_headings=["picture, what is kept", "replaced", "repainted", "mmps"],
        title="The lower half painted anew",
        caption="100 steps of ddpm; 50 of repaint, each gone 10 times; 100 of ddpm. No class.",
    )


def measurements(model: clarion.Model, pictures: Tensor, out: Path) -> None:
    """Four times as fine, and sharp again."""
    generator = torch.Generator().manual_seed(0)
    for name, operator, title in (
        ("super_resolution", Downsample(4), "From 7x7 pixels to 28x28"),
        ("deblurring", Blur(2.0, "reflected"), "Sharp again, from a blur of 2 pixels"),
    ):
        rows = []
        for picture in pictures:
            clean = operator(picture[None])[0]
            y = clean + SIGMA_Y * torch.randn(clean.shape, generator=generator)
            shown = F.interpolate(y[None], size=(28, 28), mode="nearest")[0]
            groups = [torch.stack([picture, shown])]
            groups += [drawn(model, MEASURED[m](y, operator, SIGMA_Y)) for m in ("pigdm", "mmps")]
            rows.append(torch.stack(groups))
        save_labelled_grid(
            torch.stack(rows),
            out / f"guidance_{name}.png",
            row_labels=CLASSES,
            group_headings=["picture, measured", "pigdm", "mmps"],
            title=title,
            caption=f"Noise of {SIGMA_Y} on the measurement; 100 steps of ddpm, no class.",
        )


def rewards(model: clarion.Model, classifier: torch.nn.Module, out: Path) -> None:
    """Brighter and darker; and of a class that the model was not told."""

    def brightness(x0: Tensor, condition: object) -> Tensor:
        return x0.flatten(1).mean(1)

    def boot(x0: Tensor, condition: object) -> Tensor:
        return classifier(x0).log_softmax(1)[:, CLASS_OF_BOOTS]

    rows = [(fn, scale) for fn, scales in REWARDS.items() for scale in scales]
    functions = {"brightness": brightness, "log p(boot)": boot}
    save_labelled_grid(
        torch.stack([drawn(model, Reward(functions[fn], scale), 8)[None] for fn, scale in rows]),
        out / "guidance_rewards.png",
        row_labels=[f"{scale:+g} {fn}" if scale else "no reward" for fn, scale in rows],
        group_headings=["eight samples, of the same seeds in each row"],
        title="Any function as a reward",
        caption="Mean brightness and a classifier's log-probability; 100 steps of ddpm, no class.",
    )


REWARDS = {"brightness": (-30.0, 0.0, 30.0), "log p(boot)": (1.0, 4.0)}
CLASS_OF_BOOTS = 9


def main() -> None:
    """Draw all of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="models/fashion")
    parser.add_argument(
        "--classifier", type=Path, default=Path("out/garment_classifier.safetensors")
    )
    parser.add_argument("--out", type=Path, default=Path("docs"))
    options = parser.parse_args()
    model, pictures = clarion.load(options.model), test_picture_of_each()
    inpainting(model, pictures, options.out)
    measurements(model, pictures, options.out)
    rewards(model, load_or_train(options.classifier), options.out)


if __name__ == "__main__":
    main()
