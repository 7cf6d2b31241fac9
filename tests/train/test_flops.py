"""Operations, against what is counted by hand."""

from __future__ import annotations

import torch
from torch import nn

from clarion.train.flops import count_flops


def test_products_and_convolutions_forward_and_backward() -> None:
    layer, x = nn.Linear(5, 7, bias=False), torch.randn(3, 5, requires_grad=True)
    assert count_flops(lambda: layer(x)) == 2 * 3 * 5 * 7
    assert count_flops(lambda: layer(x).sum().backward()) == 3 * 2 * 3 * 5 * 7
    convolution, picture = nn.Conv2d(2, 4, 3, padding=1, bias=False), torch.randn(3, 2, 6, 6)
    assert count_flops(lambda: convolution(picture)) == 2 * 3 * 36 * 9 * 2 * 4


def test_a_gradient_of_a_gradient() -> None:
    layer, x = nn.Linear(5, 7, bias=False), torch.randn(3, 5, requires_grad=True)

    def work() -> None:
        (slope,) = torch.autograd.grad(layer(x).square().sum(), x, create_graph=True)
        torch.autograd.grad(slope.square().sum(), layer.weight)

    # Two products for the slope; two through the second of them, one through the first.
    product = 2 * 3 * 5 * 7
    assert count_flops(work) == 5 * product
