"""Sequences, as tokens attended to and as a mean, against formulas written out sample by sample."""

import pytest
import torch

from clarion.base.condition import SequenceEntry, TagsEntry, TextEntry, encode_condition
from clarion.nets import MLPConfig, UNetConfig
from clarion.nets.blocks import Attention
from clarion.nets.context import ContextEmbedding
from clarion.nets.embed import ConditionEmbedding

DOUBLE = torch.float64
SPEC = {"words": SequenceEntry(4, num_tokens=5), "path": SequenceEntry(3, size=2)}
GIVEN = {
    "words": [[1, 4], None, [], [0, 1, 2, 3]],
    "path": [[[1.0, 2.0]], [[1.0, 0.0], [0.0, 3.0]], None, [[-1.0, 1.0]] * 3],
}


def normal(x, layer):
    x = (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + layer.eps).sqrt()
    return x * layer.weight + layer.bias


def shaken(network):
    """In float64, and with weights in the layers that start at zero."""
    network = network.to(DOUBLE).eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return network


def tokens_of(embedding, name, given):
    """The tokens (length, width) of one sample's sequence, not padded; `given` is never None."""
    if name == "words":
        vectors = [embedding.embed.weight[token] for token in given]
    else:
        layer = embedding.embed
        vectors = [layer.weight @ torch.tensor(row, dtype=DOUBLE) + layer.bias for row in given]
    return [vector + embedding.places[i] for i, vector in enumerate(vectors)]


def test_tokens_of_each_sample():
    torch.manual_seed(0)
    embed = shaken(ContextEmbedding(SPEC, 6))
    tokens, is_there = embed(encode_condition(SPEC, GIVEN, 4), 4)
    for i in range(4):
        expected = []
        for name in SPEC:
            given = GIVEN[name][i]
            expected += (
                [embed.absent[name]] if given is None else tokens_of(embed.embed[name], name, given)
            )
        torch.testing.assert_close(
            tokens[i][is_there[i]], normal(torch.stack(expected), embed.norm), rtol=0, atol=1e-12
        )
    assert is_there.sum(1).tolist() == [3, 3, 1, 7]
    absent, there = embed(None, 2)
    assert there.all()
    expected = normal(torch.stack([embed.absent["words"], embed.absent["path"]]), embed.norm)
    torch.testing.assert_close(absent, expected.expand(2, 2, 6), rtol=0, atol=1e-12)


def test_the_mean_of_the_tokens_where_nothing_attends():
    torch.manual_seed(0)
    embed = shaken(ConditionEmbedding(SPEC, 6))
    got = embed(encode_condition(SPEC, GIVEN, 4))
    for i in range(4):
        expected = torch.zeros(6, dtype=DOUBLE)
        for name in SPEC:
            given, part = GIVEN[name][i], embed.embed[name]
            if given is None:
                expected = expected + embed.absent[name]
                continue
            tokens = tokens_of(part.tokens, name, given)
            mean = sum((v * v.sigmoid() for v in tokens), torch.zeros(6, dtype=DOUBLE))
            mean = mean / max(1, len(tokens))
            expected = expected + part.linear.weight @ mean + part.linear.bias
        torch.testing.assert_close(got[i], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("positions", [9, 300])  # the plain formula, and the tiled kernel
def test_attention_to_a_context_against_its_formula(positions):
    torch.manual_seed(0)
    layer = shaken(Attention(4, 2, context_width=6))
    x = torch.randn(2, 4, positions, dtype=DOUBLE)
    context = torch.randn(2, 3, 6, dtype=DOUBLE)
    is_there = torch.tensor([[True, False, True], [False, False, False]])
    got = layer(x, (context, is_there))
    for i in range(2):
        own = x[i].T
        q, k, v = (normal(own, layer.norm) @ layer.qkv.weight.T + layer.qkv.bias).chunk(3, -1)
        more_k, more_v = (
            context[i][is_there[i]] @ layer.context_kv.weight.T + layer.context_kv.bias
        ).chunk(2, -1)
        k, v = torch.cat([k, more_k]), torch.cat([v, more_v])
        heads = []
        for part in (slice(0, 2), slice(2, 4)):
            weight = torch.exp(q[:, part] @ k[:, part].T / 2**0.5)
            heads.append(weight / weight.sum(1, keepdim=True) @ v[:, part])
        out = torch.cat(heads, 1) @ layer.out.weight.T + layer.out.bias
        torch.testing.assert_close(got[i], (own + out).T, rtol=0, atol=1e-12)


def test_a_text_is_embedded_as_a_sequence_of_its_vectors():
    torch.manual_seed(0)
    text, sequence = TextEntry(max_tokens=3, size=2), SequenceEntry(3, size=2)
    embed = shaken(ContextEmbedding({"it": text}, 6))
    same = ContextEmbedding({"it": sequence}, 6).double()
    same.load_state_dict(embed.state_dict())
    given = encode_condition({"it": sequence}, {"it": [[[1.0, 2.0]], None]}, 2)
    assert torch.equal(embed(given, 2)[0], same(given, 2)[0])
    pooled = ConditionEmbedding({"it": text}, 6)
    assert pooled(encode_condition({"it": sequence}, {"it": [[1.0, 2.0]]}, 2)).shape == (2, 6)


NETWORKS = {
    "unet": lambda spec: UNetConfig(8, (1, 2), 1, (1,), 8).build((2, 8, 8), spec),
    "unet without attention": lambda spec: UNetConfig(8, (1, 2), 1, ()).build((2, 8, 8), spec),
    "mlp": lambda spec: MLPConfig(8, 2).build((2, 8, 8), spec),
}


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_networks_heed_what_is_there_and_nothing_else(make):
    torch.manual_seed(0)
    spec = {**SPEC, "tags": TagsEntry(("red", "round"))}
    network = shaken(make(spec))
    given = {**GIVEN, "tags": ["red", "", None, "red+round"]}
    condition = encode_condition(spec, given, 4)
    x, level = torch.randn(4, 2, 8, 8, dtype=DOUBLE), torch.randn(4, dtype=DOUBLE)
    y = network(x, level, condition)
    for i in range(4):  # no sample heeds another
        row = slice(i, i + 1)
        alone = network(x[row], level[row], condition.rows(row))
        torch.testing.assert_close(alone, y[row], rtol=0, atol=1e-12)
    for name, changed in (
        ("words", [[4, 1], [1], [3], [0, 1, 2]]),  # the order counts, too
        ("path", [[[1.0, 2.5]], [[1.0, 0.0]], [[1.0, 1.0]], [[-1.0, 1.0]] * 2]),
        ("tags", ["round", "red", "", "red"]),
    ):
        other = encode_condition(spec, {**given, name: changed}, 4)
        shift = (network(x, level, other) - y).abs().flatten(1).amax(1)
        assert shift.min() > 1e-6, name
        # Where it is hidden, neither the value nor the padding matters.
        hide = {name: torch.zeros(4, dtype=torch.bool)}
        torch.testing.assert_close(
            network(x, level, other.keep_where(hide)),
            network(x, level, condition.keep_where(hide)),
            rtol=0,
            atol=0,
        )
    none = network(x, level, None)
    torch.testing.assert_close(network(x, level, condition.drop()), none, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)
def test_every_weight_learns(make):
    """Each gets a gradient from a batch in which every value is there once and absent once."""
    torch.manual_seed(0)
    network = shaken(make(SPEC))
    condition = encode_condition(SPEC, GIVEN, 4)
    x, level = torch.randn(4, 2, 8, 8, dtype=DOUBLE), torch.randn(4, dtype=DOUBLE)
    network(x, level, condition).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_values_of_a_condition_follow_the_type_of_the_weights():
    network = NETWORKS["unet"](SPEC).bfloat16()
    x, level = torch.zeros(4, 2, 8, 8).bfloat16(), torch.zeros(4).bfloat16()
    given = encode_condition(SPEC, GIVEN, 4)
    assert network(x, level, given).dtype == torch.bfloat16
