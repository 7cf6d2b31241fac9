"""DiffWave against the figures of its paper, and its layers written out by hand."""

import math

import pytest
import torch
from torch.nn import functional as F

from clarion.base.condition import ClassEntry, Condition, FieldEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.nets import NETWORKS, DiffWaveConfig

DOUBLE = torch.float64
TINY = DiffWaveConfig(channels=4, num_layers=3, dilation_cycle=2, upsampling=(2, 4))


def awake(network):
    """The same network, nothing of it zero."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.normal_(std=0.3)
    return network.double()


def test_its_size_and_sight_are_those_published():
    """Table 1 has 2.64 M weights: with the gains of weight normalisation, which is not used here,
    and an upsampler in each layer in place of one."""
    config, told = DiffWaveConfig(), {"log_mel": FieldEntry(80, (33,))}
    network = config.build((1, 8192), told)
    embedding = 128 * 512 + 512 + 512 * 512 + 512
    upsampler = 2 * (3 * 32 + 1)
    layer = (512 * 64 + 64) + (64 * 128 * 3 + 128) + (80 * 128 + 128) + (64 * 128 + 128)
    ends = (64 + 64) + (64 * 64 + 64) + (64 + 1)
    absent = 80
    total = embedding + upsampler + 30 * layer + ends + absent
    assert sum(p.numel() for p in network.parameters()) == total == 2_620_051
    gains = 30 * (3 * 128 + 2) + 2 * 64
    assert total - absent + gains + 29 * upsampler == pytest.approx(2.64e6, abs=5e3)
    assert config.dilations[:11] == [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1]
    assert config.receptive_field == 1 + 3 * 2 * 1023


def test_a_sample_depends_on_its_receptive_field_and_no_more():
    torch.manual_seed(0)
    network = awake(TINY.build((2, 40), {}))
    x = torch.randn(1, 2, 40, dtype=DOUBLE, requires_grad=True)
    network(x, torch.zeros(1, dtype=DOUBLE), None)[0, :, 20].sum().backward()
    assert x.grad is not None
    seen = x.grad.abs().sum((0, 1)).nonzero().flatten()
    reach = TINY.receptive_field // 2
    assert (int(seen.min()), int(seen.max())) == (20 - reach, 20 + reach) == (16, 24)


def test_it_starts_at_zero():
    network = TINY.build((1, 16), {"a": ClassEntry(2)})
    assert (network(torch.randn(2, 1, 16), torch.zeros(2), None) == 0).all()


def test_it_is_the_layers_of_the_paper():
    torch.manual_seed(0)
    spec = {"label": ClassEntry(3), "log_mel": FieldEntry(3, (3,))}
    net = awake(TINY.build((1, 16), spec))
    condition = encode_condition(spec, {"label": [1, 2], "log_mel": torch.randn(3, 3)}, 2)
    x, level = torch.randn(2, 1, 16, dtype=DOUBLE), torch.tensor([0.2, -0.4], dtype=DOUBLE)
    got = net(x, level, condition)
    e = F.silu(net.embed_noise(level) + net.embed_condition(condition))
    c = net.frames(x, condition)
    assert c.shape == (2, 3, 16)
    h, total = F.relu(net.enter(x)), torch.zeros(2, 4, 16, dtype=DOUBLE)
    for layer, dilation in zip(net.layers, (1, 2, 1), strict=True):
        y = h + layer.shift(e)[..., None]
        padded, weight = F.pad(y, (dilation, dilation)), layer.look.weight
        taps = [padded[..., k * dilation : k * dilation + 16] for k in range(3)]
        y = sum(torch.einsum("oi,bil->bol", weight[..., k], tap) for k, tap in enumerate(taps))
        y = y + layer.look.bias[:, None] + layer.heed(c)
        g = layer.leave(torch.tanh(y[:, :4]) * torch.sigmoid(y[:, 4:]))
        h, total = (h + g[:, :4]) / math.sqrt(2), total + g[:, 4:]
    expected = net.leave(F.relu(net.middle(total / math.sqrt(3))))
    torch.testing.assert_close(got, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("length", [32, 37])
def test_a_frame_stands_in_the_middle_of_its_samples(length):
    """As in a centred transform, frame m is heard as far before sample m hop as after it."""
    num_frames = -(-length // 8) + 1
    frames = TINY.build((1, length), {"log_mel": FieldEntry(1, (num_frames,))}).frames
    with torch.no_grad():
        for grow in frames.grow:
            grow.weight.fill_(1.0)
            grow.bias.zero_()
    each = torch.eye(num_frames)[:, None]
    present = {"log_mel": torch.ones(num_frames, dtype=torch.bool)}
    with torch.no_grad():
        heard = frames(torch.zeros(num_frames, 1, length), Condition({"log_mel": each}, present))
    assert heard.shape == (num_frames, 1, length)
    for m in range(1, num_frames - 2):
        where = heard[m, 0].nonzero().flatten()
        before, after = 8 * m - int(where.min()), int(where.max()) + 1 - 8 * m
        assert before == after or 0 in where


def test_a_field_may_have_the_resolution_of_the_samples():
    spec = {"noisy": FieldEntry(1, (12,))}
    config = DiffWaveConfig(channels=4, num_layers=1, upsampling=())
    frames = config.build((1, 12), spec).frames
    given = torch.randn(2, 1, 12)
    condition = encode_condition(spec, {"noisy": given}, 2)
    assert torch.equal(frames(torch.zeros(2, 1, 12), condition), given)


def test_what_cannot_be_is_refused():
    assert NETWORKS["diffwave"] is DiffWaveConfig
    with pytest.raises(ClarionError, match=r"takes signals, .* got \(1, 8, 8\)"):
        DiffWaveConfig().build((1, 8, 8), {})
    with pytest.raises(ClarionError, match=r"upsampling must be even steps from 2, got \(3,\)"):
        DiffWaveConfig(upsampling=(3,))
    with pytest.raises(ClarionError, match="num_layers must be at least 1, got 0"):
        DiffWaveConfig(num_layers=0)
    with pytest.raises(ClarionError, match=r"sides \(4, 4\)"):
        DiffWaveConfig().build((1, 512), {"map": FieldEntry(1, (4, 4))})
