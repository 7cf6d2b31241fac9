"""Embeddings against their formulas."""

import math

import pytest
import torch

from clarion.base.condition import ClassEntry, Condition, ConditionEntry, VectorEntry
from clarion.base.errors import ClarionError
from clarion.nets.embed import ConditionEmbedding, NoiseEmbedding

DOUBLE = torch.float64


def silu(x):
    return x / (1 + torch.exp(-x))


def dense(layer, x):
    return x @ layer.weight.T + layer.bias


def test_noise_embedding_against_its_formula():
    torch.manual_seed(0)
    embed = NoiseEmbedding(5, num_frequencies=7).double()
    levels = torch.tensor([-1.5, 0.0, 1.1], dtype=DOUBLE)
    rows = [
        [
            math.sqrt(2) * math.cos(2 * math.pi * (f * level + p))
            for f, p in zip(embed.frequencies.tolist(), embed.phases.tolist(), strict=True)
        ]
        for level in levels.tolist()
    ]
    features = torch.tensor(rows, dtype=DOUBLE)
    expected = dense(embed.mlp[2], silu(dense(embed.mlp[0], features)))
    torch.testing.assert_close(embed(levels), expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize("name", ["type", "get", "a.b", ""])
def test_a_condition_that_torch_cannot_store_is_refused(name):
    with pytest.raises(ClarionError, match=f"condition cannot be called '{name}'"):
        ConditionEmbedding({name: ClassEntry(2)}, 4)


def test_noise_features_have_unit_mean_square_and_are_saved():
    """E[2 cos²] = 1 for a phase uniform on the circle; 4 sigma of 4096 draws is 0.045."""
    torch.manual_seed(0)
    embed = NoiseEmbedding(4, num_frequencies=4096)
    features = embed.mlp[0].register_forward_hook(lambda layer, given, _: given[0])
    seen = torch.nn.Sequential()
    embed.mlp[1], embed.mlp[2] = seen, seen
    assert embed(torch.tensor([0.7])).square().mean() == pytest.approx(1, abs=0.045)
    features.remove()
    assert {"frequencies", "phases"} <= set(NoiseEmbedding(4).state_dict())


def test_condition_embedding_is_the_sum_of_what_is_present_and_what_stands_in():
    torch.manual_seed(0)
    spec = {"label": ClassEntry(3), "pose": VectorEntry(2)}
    embed = ConditionEmbedding(spec, 4).double()
    labels, pose = torch.tensor([2, 0, 1]), torch.randn(3, 2, dtype=DOUBLE)
    present = {
        "label": torch.tensor([True, False, True]),
        "pose": torch.tensor([False, False, True]),
    }
    table, vector = embed.embed["label"].weight, embed.embed["pose"]
    posed = dense(vector[2], silu(dense(vector[0], pose[2])))
    absent = embed.absent
    expected = torch.stack(
        [table[2] + absent["pose"], absent["label"] + absent["pose"], table[1] + posed]
    )
    given = Condition({"label": labels, "pose": pose}, present)
    torch.testing.assert_close(embed(given), expected, rtol=0, atol=1e-14)
    torch.testing.assert_close(embed(None), expected[1], rtol=0, atol=0)


def test_an_entry_without_an_embedding_is_an_error_of_our_own():
    class Odd(ConditionEntry):
        def encode(self, name, values, n):
            raise NotImplementedError

        def absent(self, n):
            raise NotImplementedError

    with pytest.raises(TypeError, match="no embedding for a Odd"):
        ConditionEmbedding({"odd": Odd()}, 4)
