"""The U-Net against hand-written formulas, finite differences and what it promises of a batch."""

import copy
import itertools
import math

import pytest
import torch

from clarion.base.condition import (
    ClassEntry,
    Condition,
    FieldEntry,
    VectorEntry,
    encode_condition,
)
from clarion.base.errors import ClarionError
from clarion.nets import NETWORKS, UNetConfig
from clarion.nets.blocks import Attention, Block, ChannelNorm

DOUBLE = torch.float64
SPEC = {"label": ClassEntry(3), "pose": VectorEntry(2)}


def tiny(shape=(2, 8, 8), spec=SPEC, awake=True, seed=0, **settings):
    """A float64 network; `awake` gives weights to the layers that start at zero."""
    sizes = {
        "base_channels": 8,
        "channel_multipliers": (1, 2),
        "blocks_per_level": 1,
        "attention_levels": (1,),
        "head_width": 8,
    }
    torch.manual_seed(seed)
    network = UNetConfig(**sizes | settings).build(shape, spec).to(DOUBLE).eval()
    with torch.no_grad():
        for parameter in network.parameters() if awake else ():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return network


def inputs(shape=(2, 8, 8), n=3, seed=1):
    torch.manual_seed(seed)
    given = {"label": [0, 1, 2][:n], "pose": torch.randn(n, 2)}
    condition = encode_condition(SPEC, given, n)
    condition = Condition(
        {
            name: v.to(DOUBLE) if v.is_floating_point() else v
            for name, v in condition.values.items()
        },
        condition.present,
    )
    return torch.randn(n, *shape, dtype=DOUBLE), torch.randn(n, dtype=DOUBLE), condition


SIZES = [
    {},
    {"patch_size": 2},
    {"patch_size": 2, "gates_input": True},
    {"channel_multipliers": (1,), "attention_levels": ()},
    {"channel_multipliers": (1, 2, 2), "attention_levels": (0, 2), "blocks_per_level": 2},
    {"channel_multipliers": (2, 1), "attention_levels": (0, 1), "head_width": 4},
]


@pytest.mark.parametrize("settings", SIZES)
@pytest.mark.parametrize("shape", [(2, 8, 8), (3, 8, 16), (2, 16), (1, 8)])
def test_the_output_has_the_shape_of_the_input_and_starts_at_zero(shape, settings):
    x, noise_level, condition = inputs(shape)
    asleep = tiny(shape, awake=False, **settings)(x, noise_level, condition)
    torch.testing.assert_close(asleep, torch.zeros_like(x), rtol=0, atol=0)
    y = tiny(shape, **settings)(x, noise_level, condition)
    assert y.shape == x.shape
    assert y.isfinite().all()
    assert y.abs().min() > 0


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 16)])
@pytest.mark.parametrize("settings", SIZES)
def test_a_row_does_not_depend_on_the_others(shape, settings):
    """Up to rounding, in float64 over some 50 layers; a leak would show at the size of y itself."""
    network, (x, noise_level, condition) = tiny(shape, **settings), inputs(shape)
    y = network(x, noise_level, condition)
    for i in range(3):
        row = slice(i, i + 1)
        alone = network(x[row], noise_level[row], condition.rows(row))
        torch.testing.assert_close(alone, y[row], rtol=0, atol=1e-12)
    other = x.clone()
    other[2] = 7.0
    torch.testing.assert_close(network(other, noise_level, condition)[:2], y[:2], rtol=0, atol=0)


def test_every_input_matters():
    """Beside the tests of independence, which a constant would pass."""
    network, (x, noise_level, condition) = tiny(), inputs()
    y = network(x, noise_level, condition)
    elsewhere = encode_condition(SPEC, {"label": 2, "pose": [1.0, 2.0]}, 3).values
    for changed in (
        network(x + 0.1, noise_level, condition),
        network(x, noise_level + 0.1, condition),
        network(
            x,
            noise_level,
            Condition({**condition.values, "label": elsewhere["label"]}, condition.present),
        ),
        network(
            x,
            noise_level,
            Condition({**condition.values, "pose": elsewhere["pose"].double()}, condition.present),
        ),
        network(x, noise_level, condition.drop()),
    ):
        assert (changed - y).abs().amax(dim=(1, 2, 3))[:2].min() > 1e-6


def test_a_hidden_value_has_no_influence_and_no_gradient():
    network, (x, noise_level, condition) = tiny(), inputs()
    hidden = condition.keep_where({"label": torch.tensor([True, False, False])})
    y = network(x, noise_level, hidden)
    values = {**condition.values, "label": torch.tensor([0, 2, 0])}
    assert torch.equal(network(x, noise_level, Condition(values, hidden.present)), y)
    y.square().sum().backward()
    gradient = network.embed_condition.embed["label"].weight.grad
    assert gradient[0].abs().min() > 0
    assert torch.equal(gradient[1:], torch.zeros_like(gradient[1:]))
    assert network.embed_condition.absent["label"].grad.abs().min() > 0
    assert torch.equal(
        network.embed_condition.absent["pose"].grad,
        torch.zeros_like(network.embed_condition.absent["pose"]),
    )


def test_no_condition_is_a_condition_in_which_all_is_absent():
    network, (x, noise_level, condition) = tiny(), inputs()
    expected = network(x, noise_level, condition.drop())
    torch.testing.assert_close(network(x, noise_level, None), expected, rtol=0, atol=1e-13)


def test_a_model_without_conditions():
    network, (x, noise_level, _) = tiny(spec={}), inputs()
    expected = network(x, noise_level, None)
    assert torch.equal(network(x, noise_level, Condition({}, {})), expected)


def test_attention_at_every_block_of_a_level_whatever_comes_in():
    """Heads divide the channels of the blocks that bring features from another level, too.

    56 channels are three heads of 16 and a rest, which no three heads could share out.
    """
    network = tiny((1, 8, 8), {}, base_channels=56, attention_levels=(1,), head_width=16)
    heads = [
        block.attend.heads
        for block in (*network.down, *network.middle, *network.up)
        if isinstance(block.attend, Attention)
    ]
    assert heads == [2, 7, 7, 7, 7, 7]
    x = torch.randn(1, 1, 8, 8, dtype=DOUBLE)
    assert network(x, torch.zeros(1, dtype=DOUBLE), None).isfinite().all()
    narrow = tiny((1, 8, 8), {}, head_width=16)  # the block between has 8 channels: one head
    assert [b.attend.heads for b in narrow.down if isinstance(b.attend, Attention)] == [1, 1]


@pytest.mark.parametrize("shape", [(2, 8, 8), (2, 16)])
def test_gradients_against_finite_differences(shape):
    """With respect to input, noise level and a vector condition."""
    network, (x, noise_level, condition) = tiny(shape), inputs(shape, n=2)
    pose = condition.values["pose"].clone().requires_grad_()

    def predict(x, noise_level, pose):
        values = {**condition.values, "pose": pose}
        return network(x, noise_level, Condition(values, condition.present))

    given = (x.requires_grad_(), noise_level.requires_grad_(), pose)
    # Along random directions, so that a hundred outputs and inputs cost one comparison.
    assert torch.autograd.gradcheck(predict, given, fast_mode=True, atol=1e-6)


@pytest.mark.parametrize("dims", [1, 2])
@pytest.mark.parametrize("resample", ["keep", "halve", "double"])
@pytest.mark.parametrize("heads", [0, 2])
def test_gradients_of_a_block_against_finite_differences(dims, resample, heads):
    torch.manual_seed(0)
    block = Block(dims, 2, 4, 3, heads, resample, 0.0).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x = torch.randn(2, 2, *[4] * dims, dtype=DOUBLE, requires_grad=True)
    e = torch.randn(2, 3, dtype=DOUBLE, requires_grad=True)
    assert torch.autograd.gradcheck(block, (x, e), fast_mode=dims == 2)


def test_a_block_against_its_formula():
    """One position, so that a convolution is its central weight; no layer of the library's own."""
    torch.manual_seed(0)
    block = Block(1, 3, 4, 2, 0, "keep", 0.0).double()
    for parameter in block.parameters():
        torch.nn.init.normal_(parameter)
    x, e = torch.randn(5, 3, dtype=DOUBLE), torch.randn(5, 2, dtype=DOUBLE)

    def norm(x):
        mean = x.mean(1, keepdim=True)
        return (x - mean) / ((x - mean).square().mean(1, keepdim=True) + 1e-5).sqrt()

    def silu(x):
        return x / (1 + torch.exp(-x))

    def dense(layer, x):
        return x @ layer.weight[..., layer.weight.shape[-1] // 2].T + layer.bias

    h = dense(block.conv1, silu(norm(x) * block.norm1.weight + block.norm1.bias))
    scale, shift = (e @ block.modulate.weight.T + block.modulate.bias).split(4, 1)
    h = norm(h) * block.norm2.weight + block.norm2.bias
    h = dense(block.conv2, silu(h * (1 + scale) + shift))
    expected = h + dense(block.bypass, x)
    torch.testing.assert_close(block(x[..., None], e)[..., 0], expected, rtol=0, atol=1e-12)


def test_attention_commutes_with_moving_the_positions():
    """It knows no places: permuting what goes in permutes what comes out, in every head."""
    torch.manual_seed(0)
    layer = Attention(8, 2).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x, order = torch.randn(2, 8, 5, dtype=DOUBLE), torch.tensor([3, 1, 4, 0, 2])
    torch.testing.assert_close(layer(x[..., order]), layer(x)[..., order], rtol=0, atol=1e-12)
    square = layer(x[..., :4].reshape(2, 8, 2, 2))
    torch.testing.assert_close(square.flatten(2), layer(x[..., :4]), rtol=0, atol=1e-13)


@pytest.mark.parametrize("shape", [(3, 4, 5), (3, 4, 2, 2)])
def test_channel_norm_against_its_formula(shape):
    torch.manual_seed(0)
    norm = ChannelNorm(4).double()
    torch.nn.init.normal_(norm.weight)
    torch.nn.init.normal_(norm.bias)
    x = torch.randn(shape, dtype=DOUBLE)
    y = norm(x)
    for place in itertools.product(*[range(side) for side in (shape[0], *shape[2:])]):
        column = x[place[0], :, *place[1:]]
        deviation = (column.var(correction=0) + 1e-5).sqrt()
        expected = (column - column.mean()) / deviation * norm.weight + norm.bias
        torch.testing.assert_close(y[place[0], :, *place[1:]], expected, rtol=0, atol=1e-13)


def test_dropout_rests_outside_training():
    network, given = tiny(dropout=0.5), inputs()
    assert torch.equal(network(*given), network(*given))
    network.train()
    assert not torch.equal(network(*given), network(*given))


def is_channels_last(network):
    return all(
        p.is_contiguous(memory_format=torch.channels_last)
        for p in network.parameters()
        if p.ndim == 4
    )


def test_channels_stay_last_in_memory():
    """After loading weights that lie rows first and after copying; and in what it makes."""
    network = tiny().float()
    weights = {
        k: v.clone(memory_format=torch.contiguous_format)
        for k, v in tiny(seed=3).float().state_dict().items()
    }
    network.load_state_dict(weights)
    assert is_channels_last(network)
    assert is_channels_last(copy.deepcopy(network).double())
    for name, value in network.state_dict().items():
        assert torch.equal(value, weights[name])
    x, noise_level, condition = inputs()
    condition = Condition(
        {k: v.float() if k == "pose" else v for k, v in condition.values.items()}, condition.present
    )
    y = network(x.float(), noise_level.float(), condition)
    assert y.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_channels": 6}, "base_channels must be a multiple of 4, got 6"),
        ({"base_channels": 0}, "base_channels must be a multiple of 4, got 0"),
        ({"channel_multipliers": ()}, r"channel_multipliers must be .* got \(\)"),
        ({"channel_multipliers": (1, 0)}, r"channel_multipliers must be .* got \(1, 0\)"),
        ({"blocks_per_level": 0}, "blocks_per_level must be at least 1, got 0"),
        ({"head_width": 0}, "head_width must be at least 1, got 0"),
        ({"patch_size": 0}, "patch_size must be at least 1, got 0"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"dropout": math.nan}, r"dropout must be in \[0, 1\), got nan"),
        ({"attention_levels": (3,)}, r"attention_levels must be levels 0\.\.2, got 3"),
        ({"attention_levels": (-1,)}, r"attention_levels must be levels 0\.\.2, got -1"),
        ({"head_width": 96}, "head_width 96 must divide the 256 channels of level 2"),
    ],
)
def test_sizes_that_cannot_be(settings, message):
    with pytest.raises(ClarionError, match=message):
        UNetConfig(**settings)


@pytest.mark.parametrize(
    "shape", [(), (1,), (1, 6, 8), (1, 8, 10), (1, 0, 8), (0, 8, 8), (1, 8, 8, 8)]
)
def test_samples_that_do_not_fit(shape):
    with pytest.raises(ClarionError, match=r"sides divisible by 4, got .* Change the size"):
        tiny(shape, patch_size=2)


def test_networks_stand_in_a_table():
    assert NETWORKS["unet"] is UNetConfig
    with pytest.raises(ClarionError, match="Did you mean 'unet'"):
        NETWORKS["u-net"]


@pytest.mark.parametrize("patch_size", [1, 2])
def test_gates_multiply_what_came_in(patch_size):
    """With the last layer a constant, the answer is a matrix times the input, plus a constant."""
    spec = {"field": FieldEntry(1, (8, 8))}
    config = UNetConfig(8, (1, 1), 1, (), patch_size=patch_size, gates_input=True)
    network = config.build((2, 8, 8), spec).double()
    constant = torch.linspace(-1, 1, 2 + 2 * 3, dtype=torch.float64)
    with torch.no_grad():
        network.leave.bias.copy_(constant)
    x, field = torch.randn(4, 2, 8, 8).double(), torch.randn(4, 1, 8, 8).double()
    condition = Condition({"field": field}, {"field": torch.ones(4, dtype=torch.bool)})
    gains = constant[2:].reshape(2, 3)
    expected = torch.einsum("oi,bihw->bohw", gains, torch.cat([x, field], 1))
    expected += constant[:2, None, None]
    answer = network(x, torch.zeros(4).double(), condition)
    torch.testing.assert_close(answer, expected, rtol=0, atol=1e-12)
