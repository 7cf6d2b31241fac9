"""Data units to model units and back."""

import math

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.normalizer import Normalizer

NORMALIZER = Normalizer((0.25, -3.0), (0.5, 8.0))  # powers of two: exact in any binary type


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 5), (4, 2, 3, 3)])
def test_decoding_is_the_inverse_of_encoding(dtype, shape):
    data = torch.randint(-64, 64, shape, generator=torch.Generator().manual_seed(0)).to(dtype) / 16
    x = NORMALIZER.encode(data)
    assert x.dtype == dtype
    assert torch.equal(x[:, 0], (data[:, 0] - 0.25) * 2)
    assert torch.equal(x[:, 1], (data[:, 1] + 3) / 8)
    assert torch.equal(NORMALIZER.decode(x), data)


def test_fitted_moments_become_zero_and_one():
    data = torch.randn(50, 3, 4, dtype=torch.float64) * torch.tensor([[1.0], [0.1], [7.0]]) + 5
    flat = data.transpose(0, 1).flatten(1)
    fitted = Normalizer(tuple(flat.mean(1).tolist()), tuple(flat.std(1, correction=0).tolist()))
    x = fitted.encode(data).transpose(0, 1).flatten(1)
    torch.testing.assert_close(x.mean(1), torch.zeros(3).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(x.var(1, correction=0), torch.ones(3).double(), rtol=0, atol=1e-12)


def test_bytes_stand_for_0_to_1():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1)
    x = Normalizer((0.5,), (0.25,)).encode(pixels)
    assert x.dtype == torch.float32
    expected = torch.tensor([-2.0, (0.2 - 0.5) / 0.25, 2.0])
    torch.testing.assert_close(x.flatten(), expected, rtol=0, atol=1e-6)


def test_nothing_is_clipped():
    far = torch.full((1, 2, 1), 1e6)
    assert torch.equal(NORMALIZER.decode(far).flatten(), torch.tensor([5e5 + 0.25, 8e6 - 3]))


@pytest.mark.parametrize("channels", [1, 3])
def test_other_channels_are_refused(channels):
    for use in (NORMALIZER.encode, NORMALIZER.decode):
        with pytest.raises(ClarionError, match=f"fitted on 2 channels, got {channels}"):
            use(torch.zeros(1, channels, 4))


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        ((), (), "one number a channel, got 0 and 0"),
        ((0.0,), (1.0, 1.0), "one number a channel, got 1 and 2"),
        ((math.nan,), (1.0,), "mean must be finite"),
        ((0.0,), (0.0,), "std must be above 0 in every channel"),
        ((0.0,), (math.inf,), "std must be above 0"),
        ((0.0, 0.0), (1.0, math.nan), "std must be above 0"),
    ],
)
def test_moments_that_cannot_be(mean, std, message):
    with pytest.raises(ClarionError, match=message):
        Normalizer(mean, std)


def test_constants_are_made_once_for_each_type(monkeypatch):
    """A tensor out of a list is a copy from the host, for which a device is waited for."""
    made, tensor = [], torch.tensor

    def counted(*args, **kwargs):
        made.append(args)
        return tensor(*args, **kwargs)

    normalizer = Normalizer((0.3, 1.7), (2.0, 3.0))
    monkeypatch.setattr(torch, "tensor", counted)
    for dtype in (torch.float32, torch.float64):
        for _ in range(3):
            normalizer.encode(normalizer.decode(torch.zeros(1, 2, 4, dtype=dtype)))
    assert len(made) == 4
