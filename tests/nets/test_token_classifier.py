"""The classifier of noisy tokens against its formula, and what it promises."""

import pytest
import torch
from torch.nn import functional as F

from clarion.base.errors import ClarionError
from clarion.nets import TransformerConfig
from clarion.nets.token_classifier import TokenClassifierNetwork
from clarion.nets.transformer import Transformer

LENGTH, STATES, CLASSES = 6, 5, 3
CONFIG = TransformerConfig(width=8, num_blocks=2, head_width=4, dropout=0.1)


def stirred(network):
    """In float64, with something in each of the weights that start at 0."""
    torch.manual_seed(0)
    network = network.double().eval()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return network


def network():
    return stirred(TokenClassifierNetwork(CONFIG, LENGTH, STATES, CLASSES))


def inputs(n=4):
    torch.manual_seed(1)
    return torch.randint(STATES, (n, LENGTH)), torch.rand(n, dtype=torch.float64)


def test_a_fresh_one_holds_all_classes_for_equally_likely():
    fresh = TokenClassifierNetwork(CONFIG, LENGTH, STATES, CLASSES)
    x, level = inputs()
    assert (fresh(x, level.float()) == 0).all()


def test_it_is_the_mean_of_what_a_transformer_reads():
    """By a transformer of the same weights whose last layer is that of the classifier."""
    classifier = network()
    other = Transformer(CONFIG, LENGTH, STATES, CLASSES, {}).double().eval()
    other.load_state_dict(classifier.state_dict())
    x, level = inputs()
    expected = other(x, level, None).mean(1)
    torch.testing.assert_close(classifier(x, level), expected, rtol=0, atol=1e-12)


def test_vectors_of_one_1_are_tokens_and_it_is_smooth_between_them():
    classifier = network()
    x, level = inputs(2)
    vectors = F.one_hot(x, STATES).double().requires_grad_()
    torch.testing.assert_close(classifier(vectors, level), classifier(x, level), rtol=0, atol=1e-12)
    torch.autograd.gradcheck(lambda v: classifier(v, level), (vectors,))


def test_all_positions_and_the_noise_level_matter():
    classifier = network()
    x, level = inputs(1)
    for place in range(LENGTH):
        changed = x.clone()
        changed[0, place] = (x[0, place] + 1) % STATES
        assert (classifier(changed, level) - classifier(x, level)).abs().max() > 1e-4
    assert (classifier(x, level / 2) - classifier(x, level)).abs().max() > 1e-4


def test_fewer_than_two_classes_are_refused():
    with pytest.raises(ClarionError, match="at least 2 classes, got 1"):
        TokenClassifierNetwork(CONFIG, LENGTH, STATES, 1)
