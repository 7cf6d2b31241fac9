"""ConvNeXt over time: its blocks written out by hand, and what each position sees."""

import pytest
import torch
from torch.nn import functional as F

from clarion.base.condition import ClassEntry, FieldEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.nets import NETWORKS, ConvNeXtConfig
from clarion.train.flops import count_flops

DOUBLE = torch.float64
TINY = ConvNeXtConfig(channels=6, num_layers=2, kernel_size=3, expansion=2)
SPEC = {"label": ClassEntry(3), "log_mel": FieldEntry(3, (9,))}


def awake(network):
    """The same network, nothing of it zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network.double()


def test_it_is_its_blocks():
    torch.manual_seed(0)
    net = awake(TINY.build((4, 9), SPEC))
    condition = encode_condition(SPEC, {"label": [1, 2], "log_mel": torch.randn(3, 9)}, 2)
    x, level = torch.randn(2, 4, 9, dtype=DOUBLE), torch.tensor([0.2, -0.4], dtype=DOUBLE)
    got = net(x, level, condition)
    e = F.silu(net.embed_noise(level) + net.embed_condition(condition))
    fields = condition.values["log_mel"].double()
    h = torch.cat([x, fields], 1).mT @ net.enter.weight.T + net.enter.bias
    for block in net.blocks:
        padded = F.pad(h, (0, 0, 1, 1))
        taps = torch.stack([padded[:, k : k + 9] for k in range(3)], -1)
        y = (taps * block.look.weight[:, 0]).sum(-1) + block.look.bias
        y = (y - y.mean(-1, keepdim=True)) / (y.var(-1, False, keepdim=True) + 1e-5).sqrt()
        scale, shift = (e @ block.modulate.weight.T + block.modulate.bias)[:, None].chunk(2, -1)
        y = y * (1 + scale) + shift
        h = h + block.narrow(F.gelu(block.widen(y)))
    left = net.leave(net.leave_norm(h)).mT
    expected = left[:, :4] + left[:, 4:] * x
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


def test_a_position_sees_its_neighbours_and_no_more():
    torch.manual_seed(0)
    network = awake(TINY.build((4, 21), {}))
    x = torch.randn(1, 4, 21, dtype=DOUBLE, requires_grad=True)
    network(x, torch.zeros(1, dtype=DOUBLE), None)[0, :, 10].sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum((0, 1)).nonzero().flatten().tolist() == [8, 9, 10, 11, 12]


def test_it_starts_at_zero_and_heeds_what_it_is_told():
    torch.manual_seed(0)
    network = TINY.build((4, 9), SPEC)
    x, level = torch.randn(1, 4, 9), torch.zeros(1)
    assert (network(x, level, None) == 0).all()
    awake(network).float()
    told = encode_condition(SPEC, {"log_mel": torch.randn(3, 9)}, 1)
    assert not torch.allclose(network(x, level, told), network(x, level, told.drop()))
    assert torch.equal(network(x, level, None), network(x, level, told.drop()))
    assert not torch.allclose(network(x, level, None), network(x, level + 0.3, None))


def test_what_a_position_costs():
    network = TINY.build((4, 100), {})
    per_position = 2 * (4 * 6 + 2 * (3 * 6 + 2 * 6 * 12) + 6 * 8)
    embedding = 2 * (64 * 6 + 6 * 6 + 2 * 6 * 12)
    with torch.no_grad():
        flops = count_flops(lambda: network(torch.zeros(1, 4, 100), torch.zeros(1), None))
    assert flops == 100 * per_position + embedding


def test_what_cannot_be_is_refused():
    assert NETWORKS["convnext"] is ConvNeXtConfig
    with pytest.raises(ClarionError, match=r"takes signals, .* got \(1, 8, 8\)"):
        ConvNeXtConfig().build((1, 8, 8), {})
    with pytest.raises(ClarionError, match="kernel_size must be odd, got 4"):
        ConvNeXtConfig(kernel_size=4)
    with pytest.raises(ClarionError, match="channels must be at least 1, got 0"):
        ConvNeXtConfig(channels=0)
