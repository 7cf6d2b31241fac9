"""The transformer against formulas written out, and what it promises of places and of a batch."""

import math

import pytest
import torch
from torch.nn import functional as F

from clarion.base.condition import (
    ClassEntry,
    FieldEntry,
    SequenceEntry,
    TagsEntry,
    TextEntry,
    VectorEntry,
    encode_condition,
)
from clarion.base.errors import ClarionError
from clarion.nets import NETWORKS, MLPConfig, TransformerConfig, UNetConfig
from clarion.nets.transformer import RotaryAttention, rotate, rotations

DOUBLE = torch.float64
LENGTH, STATES, VOCABULARY = 7, 6, 5
SPEC = {
    "label": ClassEntry(3),
    "tags": TagsEntry(("red", "round")),
    "pose": VectorEntry(2),
    "words": SequenceEntry(4, num_tokens=5),
    "text": TextEntry(max_tokens=3, size=2),
}
GIVEN = {
    "label": [0, None, 2, 1],
    "tags": ["red", "red+round", None, ""],
    "pose": [[0.5, 1.0], [1.0, -1.0], [2.0, 0.0], None],
    "words": [[1, 4], None, [], [0, 1, 2, 3]],
    "text": [[[1.0, 2.0]], None, [[0.5, 0.5], [1.0, 0.0]], [[3.0, 1.0]]],
}
VECTORS = {**SPEC, "text": SequenceEntry(3, size=2)}
"""The same to a network, but given as vectors."""


def tiny(spec=None, awake=True, seed=0, **settings):
    """A float64 network; `awake` gives weights to the layers that start at zero."""
    torch.manual_seed(seed)
    config = TransformerConfig(**{"width": 8, "num_blocks": 2, "head_width": 4} | settings)
    network = config.build_for_tokens(LENGTH, STATES, VOCABULARY, SPEC if spec is None else spec)
    network = network.to(DOUBLE).eval()
    with torch.no_grad():
        for parameter in network.parameters() if awake else ():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def inputs(n=4):
    torch.manual_seed(1)
    given = {name: values[:n] for name, values in GIVEN.items()}
    x_t = torch.randint(STATES, (n, LENGTH))
    return x_t, torch.rand(n, dtype=DOUBLE), encode_condition(VECTORS, given, n)


def normal(x):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, correction=0, keepdim=True) + 1e-5).sqrt()


def silu(x):
    return x / (1 + torch.exp(-x))


def dense(layer, x):
    return x @ layer.weight.T + layer.bias


def attention(layer, x, seen, more=None):
    """RotaryAttention of one sample, feature pair by feature pair, head by head.

    Su et al., equation 16: of the pair j at places m and n, the score has
    Re[q_j conj(k_j) e^(i (m - n) 10000^(-2 j / width))]. Tokens `more` of a context have n = 0.
    """
    length, width = x.shape
    q, k, v = (part.reshape(length, layer.heads, -1) for part in dense(layer.qkv, x).chunk(3, -1))
    per_head = width // layer.heads
    places = torch.arange(length)
    apart = places[:, None] - places
    seen = torch.cat([seen, torch.ones(length, 0 if more is None else len(more)).bool()], 1)
    if more is not None:
        more_k, more_v = (
            part.reshape(len(more), layer.heads, per_head)
            for part in dense(layer.context_kv, more).chunk(2, -1)
        )
        k, v = torch.cat([k, more_k]), torch.cat([v, more_v])
        apart = torch.cat([apart, places[:, None].expand(-1, len(more))], 1)
    scores = torch.zeros(layer.heads, *apart.shape, dtype=DOUBLE)
    for j in range(per_head // 2):
        turn = torch.exp(1j * apart.to(DOUBLE) * 10000 ** (-2 * j / per_head))
        z_q, z_k = (torch.complex(z[..., 2 * j], z[..., 2 * j + 1]) for z in (q, k))
        scores += torch.einsum("mh,nh,mn->hmn", z_q, z_k.conj(), turn).real
    scores = scores.masked_fill(~seen, -math.inf)
    weights = torch.exp(scores / math.sqrt(per_head))
    weights = weights / weights.sum(-1, keepdim=True)
    return dense(layer.out, torch.einsum("hmn,nhw->mhw", weights, v).reshape(length, width))


def visible(is_causal, length=LENGTH):
    every = torch.ones(length, length, dtype=torch.bool)
    return every.tril() if is_causal else every


@pytest.mark.parametrize("is_causal", [False, True])
@pytest.mark.parametrize("length", [1, 7, 60])  # 60 are enough for torch's own kernel
def test_attention_with_rotation_against_its_formula(length, is_causal):
    torch.manual_seed(0)
    layer = RotaryAttention(12, 3, context_width=5).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, context = torch.randn(2, length, 12, dtype=DOUBLE), torch.randn(2, 3, 5, dtype=DOUBLE)
    is_there = torch.tensor([[True, False, True], [False, False, False]])
    turns, seen = rotations(length, 4, x), visible(is_causal, length)
    got = layer(x, turns, seen if is_causal else None)
    both = layer(x, turns, seen if is_causal else None, (context, is_there))
    for i in range(2):
        expected = attention(layer, x[i], seen)
        torch.testing.assert_close(got[i], expected, rtol=0, atol=1e-12)
        expected = attention(layer, x[i], seen, context[i][is_there[i]])
        torch.testing.assert_close(both[i], expected, rtol=0, atol=1e-12)


def test_scores_depend_on_the_distance_alone():
    """<q at m, k at n> = <q at m + 5, k at n + 5>, and no distance is like another."""
    torch.manual_seed(0)
    q, k = torch.randn(2, 1, 1, 1, 8, dtype=DOUBLE)
    turns = rotations(12, 8, q)
    at_q, at_k = (rotate(z.expand(1, 12, 1, 8), turns)[0, :, 0] for z in (q, k))
    scores = at_q @ at_k.T
    torch.testing.assert_close(scores[:-5, :-5], scores[5:, 5:], rtol=0, atol=1e-13)
    of_distances = torch.cat([scores[0], scores[1:, 0]])
    gaps = (of_distances[:, None] - of_distances).abs() + torch.eye(23, dtype=DOUBLE)
    assert gaps.min() > 1e-6
    torch.testing.assert_close(at_q.norm(dim=-1), q.norm().expand(12), rtol=0, atol=1e-13)


def test_rotations_lose_no_digits_in_networks_of_fewer():
    """A place is a whole number: at place 300 bfloat16 would be wrong by 1, a sixth of a turn."""
    exact = rotations(301, 8, torch.zeros((), dtype=DOUBLE))
    few = rotations(301, 8, torch.zeros((), dtype=torch.bfloat16))
    assert few.dtype == torch.complex64
    torch.testing.assert_close(few.to(exact.dtype), exact, rtol=0, atol=1e-7)  # its last digit


def test_the_network_against_its_formula():
    """Matrix by matrix, with no layer of the library's own but the embeddings, tested elsewhere."""
    for is_causal in (False, True):
        network, (x_t, noise_level, condition) = tiny(is_causal=is_causal), inputs()
        got = network(x_t, noise_level, condition)
        e = silu(network.embed_noise(noise_level) + network.embed_condition(condition))
        context, is_there = network.embed_context(condition, 4)
        for i in range(4):
            x = network.embed_tokens.weight[x_t[i]] + network.places
            for block in network.blocks:
                shift1, scale1, gate1, shift2, scale2, gate2 = dense(block.modulate, e[i]).split(8)
                h = normal(x) * (1 + scale1) + shift1
                more = context[i][is_there[i]]
                x = x + gate1 * attention(block.attend, h, visible(is_causal), more)
                h = silu(dense(block.mlp[0], normal(x) * (1 + scale2) + shift2))
                x = x + gate2 * dense(block.mlp[2], h)
            shift, scale = dense(network.leave_modulate, e[i]).split(8)
            expected = dense(network.leave, normal(x) * (1 + scale) + shift)
            torch.testing.assert_close(got[i], expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("is_causal", [False, True])
def test_a_fresh_network_holds_all_tokens_for_equally_likely_and_its_blocks_do_nothing(is_causal):
    x_t, noise_level, condition = inputs()
    logits = tiny(awake=False, is_causal=is_causal)(x_t, noise_level, condition)
    uniform = torch.full((4, LENGTH, VOCABULARY), 1 / VOCABULARY, dtype=DOUBLE)
    torch.testing.assert_close(logits.softmax(-1), uniform, rtol=0, atol=1e-15)
    block = tiny({}, awake=False).blocks[0]
    x, e = torch.randn(4, LENGTH, 8, dtype=DOUBLE), torch.randn(4, 8, dtype=DOUBLE)
    assert torch.equal(block(x, e, rotations(LENGTH, 4, x), None, None), x)
    awake = tiny(is_causal=is_causal)(x_t, noise_level, condition)
    assert awake.shape == (4, LENGTH, VOCABULARY)
    assert awake.std(-1).min() > 0.01


def test_places_are_known_by_their_vectors_even_where_nothing_but_masks_stands():
    network, masks = tiny({}), torch.full((1, LENGTH), STATES - 1)
    level = torch.ones(1, dtype=DOUBLE)
    rows = network(masks, level, None)[0]
    assert torch.pdist(rows).min() > 1e-3
    with torch.no_grad():
        network.places.zero_()
    rows = network(masks, level, None)[0]
    torch.testing.assert_close(rows, rows[:1].expand_as(rows), rtol=0, atol=1e-12)


def test_the_names_of_tokens_carry_no_meaning():
    """Renaming the values, with the rows of the embedding and of the logits, changes nothing."""
    network, (x_t, noise_level, condition) = tiny(), inputs()
    y = network(x_t, noise_level, condition)
    order = torch.tensor([3, 0, 4, 1, 2, 5])  # the new value at each old one; the mask stays
    with torch.no_grad():
        network.embed_tokens.weight[order] = network.embed_tokens.weight.clone()
        network.leave.weight[order[:-1]] = network.leave.weight.clone()
        network.leave.bias[order[:-1]] = network.leave.bias.clone()
    renamed = network(order[x_t], noise_level, condition)
    torch.testing.assert_close(renamed[..., order[:-1]], y, rtol=0, atol=1e-12)


def test_causal_logits_know_nothing_of_later_tokens():
    """The gradient of the logits at i to the embedded token at j is 0 just where j > i."""
    for is_causal in (False, True):
        network, (x_t, noise_level, condition) = tiny(is_causal=is_causal), inputs()
        embedded = network.embed_tokens(x_t).detach().requires_grad_()
        network.embed_tokens.forward = lambda _, embedded=embedded: embedded
        y = network(x_t, noise_level, condition)
        heeds = torch.zeros(4, LENGTH, LENGTH)
        for i in range(LENGTH):
            (gradient,) = torch.autograd.grad(y[:, i].square().sum(), embedded, retain_graph=True)
            heeds[:, i] = gradient.abs().amax(-1)
        seen = visible(is_causal).expand(4, -1, -1)
        assert (heeds[seen] > 1e-8).all()
        assert (heeds[~seen] == 0).all()


def test_a_causal_network_reads_a_beginning_as_it_reads_the_whole():
    network, (x_t, noise_level, condition) = tiny(is_causal=True), inputs()
    y = network(x_t, noise_level, condition)
    beginning = network(x_t[:, :3], noise_level, condition)
    torch.testing.assert_close(beginning, y[:, :3], rtol=0, atol=1e-12)


@pytest.mark.parametrize("is_causal", [False, True])
def test_a_row_does_not_depend_on_the_others(is_causal):
    network, (x_t, noise_level, condition) = tiny(is_causal=is_causal), inputs()
    y = network(x_t, noise_level, condition)
    for i in range(4):
        row = slice(i, i + 1)
        alone = network(x_t[row], noise_level[row], condition.rows(row))
        torch.testing.assert_close(alone, y[row], rtol=0, atol=1e-12)


def test_every_input_matters_to_every_position():
    network, (x_t, noise_level, condition) = tiny(), inputs()
    y = network(x_t, noise_level, condition)
    for j in range(LENGTH):
        other = x_t.clone()
        other[:, j] = (other[:, j] + 1) % STATES
        assert (network(other, noise_level, condition) - y).abs().amax(-1).min() > 1e-8
    assert (network(x_t, noise_level + 0.1, condition) - y).abs().amax(-1).min() > 1e-8
    changed = {
        "label": [1, 1, 0, 2],
        "tags": ["round", "", "red", "red"],
        "pose": [[0.5, 2.0]] * 4,
        "words": [[4, 1], [1], [3], [0, 1, 2]],  # the order counts, too
        "text": [[[1.0, 3.0]], [[1.0, 1.0]], [[0.5, 0.5]], [[3.0, 2.0]]],
    }
    for name, values in changed.items():
        other = encode_condition(VECTORS, {**GIVEN, name: values}, 4)
        shift = (network(x_t, noise_level, other) - y).abs().amax(-1)
        assert shift.min() > 1e-8, name
        # Where it is hidden, neither the value nor the padding matters.
        hide = {name: torch.zeros(4, dtype=torch.bool)}
        hidden = network(x_t, noise_level, condition.keep_where(hide))
        assert torch.equal(network(x_t, noise_level, other.keep_where(hide)), hidden), name


def test_a_condition_that_is_absent_is_as_one_never_asked_for():
    """Up to the learned vector that says so: without it, a network that has no such condition."""
    full, bare = tiny({"label": ClassEntry(3)}), tiny({})
    with torch.no_grad():
        full.embed_condition.absent["label"].zero_()
    known = full.state_dict()
    bare.load_state_dict({name: known[name] for name in bare.state_dict()})
    x_t, noise_level, condition = inputs()
    expected = bare(x_t, noise_level, None)
    only = encode_condition({"label": ClassEntry(3)}, {"label": [0, None, 2, None]}, 4)
    y = full(x_t, noise_level, only)
    torch.testing.assert_close(y[[1, 3]], expected[[1, 3]], rtol=0, atol=1e-12)
    assert (y - expected).abs().amax((1, 2))[[0, 2]].min() > 1e-6
    network = tiny()
    everything_absent = network(x_t, noise_level, condition.drop())
    none = network(x_t, noise_level, None)
    torch.testing.assert_close(everything_absent, none, rtol=0, atol=1e-12)


@pytest.mark.parametrize("is_causal", [False, True])
def test_every_weight_learns(is_causal):
    """Each gets a gradient from a batch in which every value is there once and absent once."""
    network, given = tiny(is_causal=is_causal).train(), inputs()
    network(*given).square().sum().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad.isfinite().all(), name
        assert parameter.grad.abs().max() > 0, name


def test_gradients_against_finite_differences():
    """With respect to the noise level and to the embeddings of tokens and places."""
    network, (x_t, noise_level, condition) = tiny(), inputs(n=2)
    table, places = network.embed_tokens.weight, network.places

    def predict(noise_level, table, places):
        weights = {"embed_tokens.weight": table, "places": places}
        return torch.func.functional_call(network, weights, (x_t, noise_level, condition))

    given = (noise_level.requires_grad_(), table, places)
    assert torch.autograd.gradcheck(predict, given, fast_mode=True, atol=1e-6)


def test_it_learns_to_repeat():
    """Steps of Adam from a fresh network: it starts at log 5 and nears 0, causal or not."""
    x0 = torch.arange(VOCABULARY)[:, None].expand(-1, LENGTH)
    x_t = torch.where(torch.arange(LENGTH) == 0, x0, STATES - 1)  # the first token shows the rest
    for is_causal in (False, True):
        network = tiny({}, awake=False, is_causal=is_causal, width=16).float().train()
        optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
        losses = []
        for _ in range(60):
            loss = F.cross_entropy(
                network(x_t, torch.ones(VOCABULARY), None).flatten(0, 1), x0.flatten()
            )
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        assert losses[0] == pytest.approx(math.log(VOCABULARY), abs=1e-6)
        assert losses[-1] < 0.05


@pytest.mark.parametrize("is_causal", [False, True])
def test_half_precision_is_near(is_causal):
    """Under autocast, and with the weights themselves in bfloat16 (8 bits: 2^-8 = 0.4 %)."""
    network, (x_t, noise_level, condition) = tiny(is_causal=is_causal).float(), inputs()
    y = network(x_t, noise_level.float(), condition)
    with torch.autocast("cpu", torch.bfloat16):
        near = network(x_t, noise_level.float(), condition)
    error = (near.float() - y).square().mean().sqrt()
    assert 0 < error < 0.03 * y.square().mean().sqrt()
    whole = network.bfloat16()(x_t, noise_level, condition)
    assert whole.dtype == torch.bfloat16
    error = (whole.float() - y).square().mean().sqrt()
    assert error < 0.06 * y.square().mean().sqrt()


def test_dropout_rests_outside_training():
    network, given = tiny(dropout=0.5), inputs()
    assert torch.equal(network(*given), network(*given))
    network.train()
    assert not torch.equal(network(*given), network(*given))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0}, "width must be at least 1, got 0"),
        ({"num_blocks": 0}, "num_blocks must be at least 1, got 0"),
        ({"head_width": 0}, "head_width must be at least 1, got 0"),
        ({"mlp_ratio": 0}, "mlp_ratio must be at least 1, got 0"),
        ({"head_width": 24}, "even number that divides the width 128, got 24"),
        ({"width": 9, "head_width": 3}, "even number that divides the width 9, got 3"),
        ({"dropout": 1.0}, r"dropout must be in \[0, 1\), got 1.0"),
        ({"dropout": math.nan}, r"dropout must be in \[0, 1\), got nan"),
    ],
)
def test_sizes_that_cannot_be(settings, message):
    with pytest.raises(ClarionError, match=message):
        TransformerConfig(**settings)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ((0, 3, 2), "length must be at least 1, got 0"),
        ((4, 3, 0), r"vocabulary must lie in 1\.\.3, the number of states, got 0"),
        ((4, 2, 3), r"vocabulary must lie in 1\.\.2, the number of states, got 3"),
    ],
)
def test_sequences_that_cannot_be(sizes, message):
    with pytest.raises(ClarionError, match=message):
        TransformerConfig().build_for_tokens(*sizes, {})


def test_what_it_cannot_be_conditioned_on():
    with pytest.raises(ClarionError, match=r"'mask' is a field, .* vector or a sequence"):
        tiny({"mask": FieldEntry(1, (4,))})
    with pytest.raises(ClarionError, match=r"cannot be called 'a\.b'"):
        tiny({"a.b": SequenceEntry(3, num_tokens=2)})


def test_networks_of_numbers_and_of_tokens_name_each_other():
    assert NETWORKS["transformer"] is TransformerConfig
    for config in (UNetConfig(), MLPConfig()):
        name = type(config).__name__
        with pytest.raises(ClarionError, match=f"{name} takes numbers, not tokens.*'transformer'"):
            config.build_for_tokens(LENGTH, STATES, VOCABULARY, {})
    with pytest.raises(ClarionError, match=r"takes tokens, .* shape \(1, 8, 8\).*'unet'"):
        TransformerConfig().build((1, 8, 8), {})
