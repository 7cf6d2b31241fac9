"""Sample garments of all ten classes at three guidance scales from the model in `models/fashion`.

Writes one picture and says how fast it went.
"""

from __future__ import annotations

import time
from pathlib import Path

import torch

import clarion
from clarion.domains.image.drawing import save_labelled_grid

ROOT = Path(__file__).resolve().parent.parent
OUT = ROOT / "out" / "garments.png"
GUIDANCE_SCALES = (1.0, 2.0, 4.0)
SAMPLES_EACH = 4
NUM_STEPS = 12


def main() -> None:
    """Load, sample, draw."""
    model = clarion.load(ROOT / "models" / "fashion")
    class_names = model.config.condition["label"].class_names
    labels = [label for label in range(len(class_names)) for _ in range(SAMPLES_EACH)]

    start = time.perf_counter()
    columns = [
        model.sample(
            n=len(labels),
            condition={"label": labels},
            guidance=clarion.guide.CFG(scale),
            num_steps=NUM_STEPS,
            seed=0,
        )
        for scale in GUIDANCE_SCALES
    ]
    seconds = time.perf_counter() - start

    # (scales, classes x samples, ...) -> (classes, scales, samples, ...)
    images = torch.stack(columns).unflatten(1, (len(class_names), SAMPLES_EACH)).transpose(0, 1)
    num_images = len(labels) * len(GUIDANCE_SCALES)
    save_labelled_grid(
        images,
        OUT,
        row_labels=class_names,
        group_headings=[f"guidance scale {scale:g}" for scale in GUIDANCE_SCALES],
        title="Garments sampled by Clarion",
        caption=f"The same noise in each group of columns; {NUM_STEPS} steps.",
    )
    evaluations = model.denoiser.num_evaluations / num_images
    print(f"{num_images} images in {seconds:.1f} s: {num_images / seconds:.1f} images per second")
    print(f"{evaluations:.1f} network evaluations per image, over scales {GUIDANCE_SCALES}")
    print(f"picture: {OUT}")


if __name__ == "__main__":
    main()
