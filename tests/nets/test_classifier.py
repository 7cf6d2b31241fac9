"""The classifier's network, against a pool written out and the U-Net whose half it shares."""

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.nets.classifier import AttentionPool, ClassifierNetwork
from clarion.nets.unet import UNet, UNetConfig

DOUBLE = torch.float64
CONFIG = UNetConfig(
    base_channels=8,
    channel_multipliers=(1, 2),
    blocks_per_level=1,
    attention_levels=(1,),
    head_width=8,
    patch_size=2,
)


def stirred(module):
    """No weight at its starting value, so that every layer does something."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return module.double().eval()


def test_the_pool_is_its_formula():
    """Sample by sample, head by head, with the softmax written out."""
    torch.manual_seed(0)
    pool = stirred(AttentionPool(6, 2))
    x = torch.randn(3, 6, 2, 5, dtype=DOUBLE)
    for sample, actual in zip(x, pool(x), strict=True):
        tokens = torch.stack([pool.norm(sample[:, i, j]) for i in range(2) for j in range(5)])
        mean = sum(tokens) / 10
        query = pool.query.weight @ mean + pool.query.bias
        kv = tokens @ pool.key_value.weight.T + pool.key_value.bias
        heads = []
        for head in (slice(0, 3), slice(3, 6)):
            k, v = kv[:, :6][:, head], kv[:, 6:][:, head]
            scores = torch.exp((k * query[head]).sum(1) / 3**0.5)
            heads.append((scores[:, None] * v).sum(0) / scores.sum())
        h = mean + pool.out.weight @ torch.cat(heads) + pool.out.bias
        h = (h - h.mean()) / (h.var(correction=0) + 1e-5).sqrt()
        expected = h * pool.leave_norm.weight + pool.leave_norm.bias
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(3, 8), (2, 8, 12)])
def test_it_reads_as_the_u_net_does(shape):
    """With the same weights both find the same features at the coarsest level."""
    torch.manual_seed(0)
    classifier, unet = ClassifierNetwork(CONFIG, shape, 4), UNet(CONFIG, shape, {})
    stirred(unet), classifier.double().eval()
    shared = {n: w for n, w in unet.state_dict().items() if n in classifier.state_dict()}
    own = set(classifier.state_dict()) - set(shared)
    assert {name.split(".")[0] for name in own} == {"pool"}
    classifier.load_state_dict({n: w for n, w in shared.items() if "leave" not in n}, strict=False)
    x, levels = torch.randn(2, *shape, dtype=DOUBLE), torch.tensor([0.1, -0.7], dtype=DOUBLE)
    torch.testing.assert_close(
        classifier.read(x, levels, None).x, unet.read(x, levels, None).x, rtol=0, atol=0
    )


def test_untrained_it_finds_all_classes_equally_likely():
    network = ClassifierNetwork(CONFIG, (1, 8, 8), 5)
    assert network(torch.randn(3, 1, 8, 8), torch.zeros(3)).abs().max() == 0


def test_the_noise_level_enters_and_samples_are_alone():
    torch.manual_seed(0)
    network = stirred(ClassifierNetwork(CONFIG, (1, 8, 8), 5))
    x = torch.randn(1, 1, 8, 8, dtype=DOUBLE).expand(3, -1, -1, -1)
    levels = torch.tensor([0.1, 0.1, 0.9], dtype=DOUBLE)
    logits = network(x, levels)
    torch.testing.assert_close(logits[0], logits[1], rtol=0, atol=1e-12)
    assert (logits[0] - logits[2]).abs().max() > 1e-3
    alone = network(x[2:], levels[2:])
    torch.testing.assert_close(alone[0], logits[2], rtol=0, atol=1e-12)


def test_what_cannot_be_is_refused():
    with pytest.raises(ClarionError, match="needs at least 2 classes, got 1"):
        ClassifierNetwork(CONFIG, (1, 8, 8), 1)
    with pytest.raises(ClarionError, match=r"sides divisible by 4, got \(1, 8, 6\)"):
        ClassifierNetwork(CONFIG, (1, 8, 6), 3)
