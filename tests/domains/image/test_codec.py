"""Units, and the fit against numpy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clarion.base.errors import DataError
from clarion.base.normalizer import Normalizer
from clarion.domains.image import codec
from clarion.domains.image.data import ImageData


def test_all_pixel_values_survive_the_round_trip() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    normalizer = Normalizer((0.0,), (1.0,))
    assert torch.equal(codec.to_uint8(normalizer.encode(pixels[:, None])), pixels[:, None])


def test_clipping_and_rounding() -> None:
    unit = torch.tensor([-1.0, -0.001, 0.49 / 255, 0.51 / 255, 254.4 / 255, 1.2, 1e9])
    assert codec.to_uint8(unit).tolist() == [0, 0, 0, 1, 254, 255, 255]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_not_finite_has_no_pixel(value: float) -> None:
    with pytest.raises(DataError, match="not finite"):
        codec.to_uint8(torch.tensor([0.5, value]))


@pytest.mark.parametrize("memory_limit_gib", [4.0, 0.0])
def test_fit_is_exact(class_folders, monkeypatch, memory_limit_gib: float) -> None:
    monkeypatch.setattr(codec, "BATCH_BYTES", 300)  # batches of two
    images = ImageData(str(class_folders), memory_limit_gib=memory_limit_gib).open()
    unit = images.batch(torch.arange(5))[0].numpy().astype(np.float64) / 255
    means, stds = codec.fit_normalizer(images)
    np.testing.assert_allclose(means, unit.mean((0, 2, 3)), rtol=1e-14)
    np.testing.assert_allclose(stds, unit.std((0, 2, 3)), rtol=1e-12)


def test_large_sets_are_fitted_on_evenly_spaced_pictures(tmp_path, idx, monkeypatch) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", np.arange(10)[:, None, None] * np.ones((1, 2, 2)))
    monkeypatch.setattr(codec, "MAX_FIT_EXAMPLES", 5)
    means, _ = codec.fit_normalizer(ImageData(str(tmp_path)).open())
    assert means == pytest.approx((4 / 255,), rel=1e-14)  # 0, 2, 4, 6, 8


def test_a_constant_channel_cannot_be_scaled(tmp_path, idx) -> None:
    idx(tmp_path / "train-images-idx3-ubyte", np.full((3, 2, 2), 7))
    with pytest.raises(DataError, match="Channel 0 is 7 in every pixel"):
        codec.fit_normalizer(ImageData(str(tmp_path)).open())
