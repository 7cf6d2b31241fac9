"""The optimiser against its equations, and the shape of its learning rate."""

import math
from itertools import pairwise

import pytest
import torch
from torch import nn

from clarion.run.config import OptimizerConfig
from clarion.train.optimizer import (
    build_optimizer,
    clip_gradients,
    learning_rate,
    set_learning_rate,
)


class Layer(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.tensor([[1.0, -2.0]], dtype=torch.float64))
        self.bias = nn.Parameter(torch.tensor([0.5], dtype=torch.float64))
        self.frozen = nn.Parameter(torch.ones(1), requires_grad=False)


def test_adamw_against_its_equations():
    """Loshchilov & Hutter 2019, algorithm 2; the decay acts on the matrix alone."""
    layer = Layer()
    config = OptimizerConfig(learning_rate=0.1, betas=(0.8, 0.9), weight_decay=0.3)
    optimizer, rates = build_optimizer(config, layer), (0.1, 0.05, 0.2)
    expected = {"matrix": layer.matrix.detach().clone(), "bias": layer.bias.detach().clone()}
    moments = {name: [torch.zeros_like(p), torch.zeros_like(p)] for name, p in expected.items()}
    for step, rate in enumerate(rates, 1):
        for name, p in layer.named_parameters():
            if name == "frozen":
                continue
            g = torch.full_like(p, float(step)) * p.detach().sign()
            p.grad, m = g, moments[name]
            m[0], m[1] = 0.8 * m[0] + 0.2 * g, 0.9 * m[1] + 0.1 * g**2
            decay = 0.3 if name == "matrix" else 0.0
            direction = (m[0] / (1 - 0.8**step)) / ((m[1] / (1 - 0.9**step)).sqrt() + 1e-8)
            expected[name] = expected[name] * (1 - rate * decay) - rate * direction
        set_learning_rate(optimizer, rate)
        optimizer.step()
    torch.testing.assert_close(layer.matrix.detach(), expected["matrix"], rtol=0, atol=1e-12)
    torch.testing.assert_close(layer.bias.detach(), expected["bias"], rtol=0, atol=1e-12)
    assert layer.frozen.item() == 1


def test_linear_and_cosine_decay():
    for decay, halfway in (("linear", 0.5), ("cosine", (1 - math.cos(math.pi / 2)) / 2)):
        config = OptimizerConfig(learning_rate=2.0, warmup_steps=4, decay=decay, decay_from=0.5)
        rates = [learning_rate(config, step, 20) for step in range(1, 21)]
        assert rates[:4] == [0.5, 1.0, 1.5, 2.0]
        assert rates[4:10] == [2.0] * 6
        assert rates[14] == pytest.approx(2 * halfway)
        assert rates[19] == pytest.approx(0, abs=1e-15)
        assert all(b < a for a, b in pairwise(rates[9:]))


def test_no_decay_and_no_warm_up():
    config = OptimizerConfig(learning_rate=2.0, warmup_steps=0, decay="none")
    assert {learning_rate(config, step, 9) for step in range(1, 10)} == {2.0}
    late = OptimizerConfig(learning_rate=2.0, warmup_steps=0, decay_from=1.0)
    assert {learning_rate(late, step, 9) for step in range(1, 10)} == {2.0}
    early = OptimizerConfig(learning_rate=2.0, warmup_steps=0, decay_from=0.0)
    assert learning_rate(early, 1, 10) == pytest.approx(2 * 0.9)


@pytest.mark.parametrize(("clip_norm", "scale"), [(1.0, 0.2), (10.0, 1.0), (None, 1.0)])
def test_gradients_are_shortened_never_lengthened(clip_norm, scale):
    layer = Layer()
    layer.matrix.grad = torch.tensor([[3.0, 0.0]], dtype=torch.float64)
    layer.bias.grad = torch.tensor([4.0], dtype=torch.float64)
    assert clip_gradients(layer.parameters(), clip_norm) == pytest.approx(5)
    # torch divides by the length plus 1e-6
    expected = torch.tensor([[3.0, 0.0]], dtype=torch.float64) * scale
    torch.testing.assert_close(layer.matrix.grad, expected, rtol=1e-6, atol=0)


class Blocks(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.enter = nn.Linear(6, 4)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 4))])
        self.leave = nn.Linear(4, 3)


def test_muon_turns_matrices_of_blocks_and_leaves_the_rest_to_adamw():
    """The step of a matrix is the nearest one with equal singular values, 0.2 rate sqrt(longest).

    Torch comes near to it by five iterations, after which they lie between 0.6 and 1.2 times that.
    """
    networks = Blocks(), Blocks()
    before = {name: p.detach().clone() for name, p in networks[0].named_parameters()}
    for network, matrices in zip(networks, ("muon", "adamw"), strict=True):
        for p in network.parameters():
            p.grad = torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel()))
        optimizer = build_optimizer(OptimizerConfig(matrices=matrices), network)
        set_learning_rate(optimizer, 0.1)
        optimizer.step()
        optimizer.zero_grad()
        assert all(p.grad is None for p in network.parameters())
    ours, adam = (dict(network.named_parameters()) for network in networks)
    turned = {"blocks.0.0.weight", "blocks.0.1.weight"}
    for name in ours.keys() - turned:
        torch.testing.assert_close(ours[name], adam[name], rtol=0, atol=0)
    for name in turned:
        step = (before[name] - ours[name]).detach()
        u, sizes, v = torch.linalg.svd(step)
        assert (sizes > 0.6 * 0.1 * 0.2 * 8**0.5).all()
        assert (sizes < 1.2 * 0.1 * 0.2 * 8**0.5).all()
        gradient = torch.randn(32, generator=torch.Generator().manual_seed(32)).view(step.shape)
        inner = (u.mT @ gradient @ v.mT)[:4, :4]
        assert float(inner.diagonal().sum()) == pytest.approx(
            float(torch.linalg.svdvals(gradient).sum()), rel=0.1
        )
