"""Fields against interpolation written out by hand."""

import pytest
import torch

from clarion.base.condition import ClassEntry, FieldEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.nets import MLPConfig, UNetConfig
from clarion.nets.fields import FieldInput, resize

DOUBLE = torch.float64


def linear_weights(old, new):
    """(new, old): point i of the new lies at (i + 1/2) old / new - 1/2, held within the old."""
    weights = torch.zeros(new, old, dtype=DOUBLE)
    for i in range(new):
        at = min(max((i + 0.5) * old / new - 0.5, 0.0), old - 1)
        low = min(int(at), old - 1)
        high = min(low + 1, old - 1)
        weights[i, low] += 1 - (at - low)
        weights[i, high] += at - low
    return weights


def test_fields_grow_linearly_and_shrink_to_means():
    torch.manual_seed(0)
    field = torch.randn(2, 3, 4, 6, dtype=DOUBLE)
    assert resize(field, torch.Size((4, 6))) is field
    means = field.reshape(2, 3, 2, 2, 2, 3).mean((3, 5))
    torch.testing.assert_close(resize(field, torch.Size((2, 2))), means, rtol=0, atol=1e-14)
    tall, wide = linear_weights(4, 8), linear_weights(6, 9)
    grown = torch.einsum("ih,jw,bchw->bcij", tall, wide, field)
    torch.testing.assert_close(resize(field, torch.Size((8, 9))), grown, rtol=0, atol=1e-14)
    line = field[:, :, 0]
    expected = line @ linear_weights(6, 12).T
    torch.testing.assert_close(resize(line, torch.Size((12,))), expected, rtol=0, atol=1e-14)


def test_fields_are_concatenated_or_stood_in_for():
    spec = {"depth": FieldEntry(1, (2, 2)), "mask": FieldEntry(2, (4, 4))}
    add = FieldInput(spec, 2).double()
    x, mask = torch.randn(2, 3, 4, 4, dtype=DOUBLE), torch.randn(2, 4, 4)
    condition = encode_condition(spec, {"mask": [mask, None]}, 2)
    got = add(x, condition)
    assert add.num_channels == 3
    assert torch.equal(got[:, :3], x)
    for part, absent in ((got[:, 3:4], add.absent["depth"]), (got[1:, 4:], add.absent["mask"])):
        assert torch.equal(part, absent[:, None, None].expand(part.shape))
    assert torch.equal(got[0, 4:], mask.double())
    assert torch.equal(add(x, None), add(x, condition.drop()))


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 16)])
@pytest.mark.parametrize("patch_size", [1, 2])
def test_a_unet_heeds_a_field(shape, patch_size):
    torch.manual_seed(0)
    spec = {"map": FieldEntry(2, (4,) * (len(shape) - 1)), "label": ClassEntry(3)}
    network = UNetConfig(8, (1, 2), 1, (), patch_size=patch_size).build(shape, spec).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    x, level = torch.randn(2, *shape, dtype=DOUBLE), torch.randn(2, dtype=DOUBLE)
    maps = torch.randn(2, *spec["map"].shape)
    y = network(x, level, encode_condition(spec, {"map": maps}, 2))
    other = network(x, level, encode_condition(spec, {"map": [maps[0], None]}, 2))
    assert y.shape == x.shape
    torch.testing.assert_close(other[0], y[0], rtol=0, atol=1e-12)
    assert (other[1] - y[1]).abs().max() > 1e-6
    y.square().sum().backward()
    assert network.enter.weight.grad[:, 2:].abs().amax(dim=(0, 2)).min() > 0


def test_fields_that_do_not_fit():
    spec = {"map": FieldEntry(1, (8,))}
    with pytest.raises(ClarionError, match=r"'map' has sides \(8,\), but a sample has 2"):
        UNetConfig(8, (1,), 1, ()).build((1, 8, 8), spec)
    with pytest.raises(ClarionError, match="'map' is a field, which this network cannot take"):
        MLPConfig().build((4,), spec)
    with pytest.raises(ClarionError, match=r"condition cannot be called 'a\.b'"):
        UNetConfig(8, (1,), 1, ()).build((1, 8), {"a.b": FieldEntry(1, (8,))})
