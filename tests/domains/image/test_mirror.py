"""Training on mirrored pictures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from clarion.domains.image.data import ImageData


def test_half_are_mirrored_with_their_fields(class_folders: Path, png, rng) -> None:
    (class_folders.parent / "masks").mkdir()
    png(rng.integers(0, 256, (8, 6)), class_folders.parent / "masks" / "a.png")
    rows = ["file_name,mask", "cat/0.png,../masks/a.png"]
    (class_folders / "metadata.csv").write_text("\n".join(rows))
    data = ImageData(str(class_folders), conditions=("mask=field",), mirror=True)
    images = data.open()
    pixels, known = images.batch(torch.zeros(400, dtype=torch.int64))
    torch.manual_seed(0)
    seen, condition = images.training_batch(torch.zeros(400, dtype=torch.int64))
    assert torch.equal(pixels, images.batch(torch.zeros(400, dtype=torch.int64))[0])
    as_it_is, mirrored = (seen == pixels).all((1, 2, 3)), (seen == pixels.flip(-1)).all((1, 2, 3))
    assert (as_it_is ^ mirrored).all()
    assert abs(int(mirrored.sum()) - 200) < 40  # 4 deviations
    mask = known.values["mask"][0].numpy()
    for turned, value in zip(mirrored.tolist(), condition.values["mask"], strict=True):
        np.testing.assert_array_equal(value, mask[..., ::-1] if turned else mask)
    assert torch.equal(condition.values["label"], known.values["label"])
    assert torch.equal(condition.present["mask"], known.present["mask"])
    plain, _ = (
        replace(data, mirror=False).open().training_batch(torch.zeros(400, dtype=torch.int64))
    )
    assert torch.equal(plain, pixels)
