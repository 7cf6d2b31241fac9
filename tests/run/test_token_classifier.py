"""A classifier of tokens: its folder, and how it is typed."""

from pathlib import Path

import pytest
import torch
from torch.nn import functional as F

import clarion
from clarion.base.condition import ClassEntry
from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary
from clarion.denoise.asked import computing_in
from clarion.guide.tokens import TokenClassifierGuidance
from clarion.nets import TransformerConfig
from clarion.process.tokens import Masking
from clarion.run import folder
from clarion.run.classifier_config import ClassifierConfig
from clarion.run.config import ModelConfig
from clarion.run.files import write_tensors
from clarion.run.model import Model

PROCESS, CLASSES = Masking(3), ClassEntry(2, ("up", "down"))
LETTERS = Vocabulary(("a", "b", "c"))
NETWORK = TransformerConfig(width=8, num_blocks=1, head_width=4)
CONFIG = ClassifierConfig((5,), "label", CLASSES, NETWORK, PROCESS, domain="sequence")
X, T = torch.tensor([[0, 3, 1, 2, 3], [3, 3, 3, 3, 0]]), torch.tensor([0.3, 0.8])


def awake(network):
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


@pytest.fixture
def saved(tmp_path: Path):
    """A classifier, and its folder."""
    torch.manual_seed(0)
    classifier = CONFIG.build(LETTERS).eval().requires_grad_(False)
    awake(classifier)
    place = tmp_path / "classifier"
    folder.write_description(place, CONFIG, LETTERS)
    write_tensors(place / folder.WEIGHTS, classifier.network.state_dict())
    return classifier, place


def make_model(codec=LETTERS, **changed) -> Model:
    given = {"condition": {"label": CLASSES}, "process": PROCESS} | changed
    config = ModelConfig((5,), network=NETWORK, domain="sequence", **given)
    torch.manual_seed(1)
    denoiser = config.build()
    awake(denoiser)
    return Model(config, denoiser, codec)


def test_what_is_written_is_read_back_to_the_bit(saved) -> None:
    classifier, place = saved
    loaded = clarion.load_classifier(place)
    assert torch.equal(loaded(X, T), classifier(X, T))
    assert loaded.data == classifier.data
    assert folder.read_description(place) == CONFIG
    card = (place / "README.md").read_text()
    assert "tells `label`, class of 2: up, down" in card
    assert 'condition={"label": "up"}' in card


def test_it_is_told_the_share_that_is_lost_and_says_probabilities(saved) -> None:
    classifier, _ = saved
    expected = F.log_softmax(classifier.network(X, T, None), 1)  # 1 - alpha(t) is t here
    torch.testing.assert_close(classifier(X, T), expected, rtol=0, atol=1e-6)
    vectors = F.one_hot(X, 4).double()
    torch.testing.assert_close(classifier(vectors, T), expected, rtol=0, atol=1e-5)
    with computing_in(torch.bfloat16, classifier):
        rough = classifier(X, T)
    assert rough.dtype == torch.float32
    assert 0 < (rough - expected).abs().max() < 0.1  # of 8 digits


@pytest.mark.parametrize("how", ["exact", "first_order"])
def test_typed_and_given_in_python_it_steers_alike(saved, how) -> None:
    _, place = saved
    model, asked = make_model(), {"condition": {"label": "down"}, "num_steps": 4}
    setting = "" if how == "exact" else f",neighbours={how}"
    typed = model.sample(20, guidance=f"classifier:{place}:6{setting}", **asked)
    rule = TokenClassifierGuidance(6.0, clarion.load_classifier(place), how)
    assert torch.equal(typed, model.sample(20, guidance=rule, **asked))
    if how == "exact":  # each step about 3 neighbours for each of at most 5 masks, fewer at a time
        assert 20 * (4 + 5 * 3) < rule.num_evaluations < 20 * 4 * (1 + 5 * 3)
    else:
        assert rule.num_evaluations == 20 * 4
    assert not torch.equal(typed, model.sample(20, **asked))


def test_names_are_those_of_rules_of_tokens(saved) -> None:
    _, place = saved
    model = make_model()
    (rule,) = model.rules(f"classifier:{place}:2")
    assert isinstance(rule, TokenClassifierGuidance)
    with pytest.raises(ClarionError, match=r"guidance rule of tokens 'clip'.*: cfg, auto, class"):
        model.rules("clip:0")
    with pytest.raises(ClarionError, match="infill takes tensors"):
        model.rules("infill:2")
    with pytest.raises(ClarionError, match=r"classifier.neighbours must be one of 'exact', 'first"):
        model.rules(f"classifier:{place}:2,neighbours=all")


def test_a_weak_model_of_tokens_is_typed(tmp_path: Path) -> None:
    model = make_model()
    make_model().save(tmp_path / "weak")
    drawn = model.sample(4, num_steps=3, guidance=f"auto:{tmp_path / 'weak'}:2.5")
    assert torch.equal(drawn, model.sample(4, num_steps=3))  # of itself there is no weaker one


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"codec": Vocabulary(("a", "b", "d"))}, "must have the model's vocabulary"),
        ({"process": Masking(3, schedule="cosine")}, "must have the model's process"),
        ({"condition": {"label": ClassEntry(2)}}, "must have the model's condition 'label'"),
    ],
)
def test_one_that_does_not_fit_the_model_is_refused(saved, changed, message) -> None:
    _, place = saved
    with pytest.raises(ClarionError, match=message):
        make_model(**changed).sample(
            2, condition={"label": 1}, num_steps=2, guidance=f"classifier:{place}:2"
        )
