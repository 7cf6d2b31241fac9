"""The regressor of sequences."""

import pytest
import torch
from torch.nn import functional as F

from clarion.base.errors import ClarionError
from clarion.nets.regressor import Regressor, RegressorConfig

CONFIG = RegressorConfig(width=8, kernel=3, num_layers=2, dropout=0.0)


def make():
    torch.manual_seed(0)
    return Regressor(CONFIG, 6, 4).double()


def test_tokens_and_their_vectors_are_the_same():
    x = torch.randint(4, (5, 6), generator=torch.Generator().manual_seed(0))
    net = make()
    assert torch.equal(net(x), net(F.one_hot(x, 4).double()))


def test_it_is_the_formula_written_out():
    """Convolutions as sums over neighbours, with nothing beyond the ends."""
    x = torch.tensor([[0, 1, 2, 3, 0, 2]])
    net = make()
    h = F.one_hot(x, 4).double()[0]
    for layer in net.layers:
        rows = []
        for i in range(6):
            total = layer.bias.clone()
            for k in (-1, 0, 1):
                if 0 <= i + k < 6:
                    total = total + layer.weight[:, :, k + 1] @ h[i + k]
            rows.append(F.gelu(total))
        h = torch.stack(rows)
    places = F.gelu(net.places.weight @ h.T.flatten() + net.places.bias)
    features = torch.cat([h.max(0).values, places])
    expected = net.leave.weight[0] @ features + net.leave.bias[0]
    torch.testing.assert_close(net(x)[0], expected, rtol=0, atol=1e-12)


def test_a_sequence_does_not_feel_the_others():
    x = torch.randint(4, (5, 6), generator=torch.Generator().manual_seed(1))
    net = make()
    torch.testing.assert_close(net(x)[2:3], net(x[2:3]), rtol=0, atol=1e-14)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kernel": 4}, "kernel must be odd, got 4"),
        ({"width": 0}, "width must be a whole number, at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be a finite number in \[0, 0\.99\], got 1\.0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ClarionError, match=message):
        RegressorConfig(**settings)
