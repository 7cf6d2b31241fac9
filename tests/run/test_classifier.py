"""A classifier's folder: written, read back, and told from a model's."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

import clarion
from clarion.base.condition import ClassEntry
from clarion.base.errors import CheckpointError, ClarionError
from clarion.base.normalizer import Normalizer
from clarion.denoise.asked import computing_in
from clarion.nets import MLPConfig, UNetConfig
from clarion.process import EDM, Flow
from clarion.run import folder
from clarion.run.classifier_config import ClassifierConfig, ClassifierTrainConfig
from clarion.run.files import write_tensors
from clarion.run.serialize import from_json, to_json

NETWORK = UNetConfig(
    base_channels=8,
    channel_multipliers=(1, 2),
    blocks_per_level=1,
    attention_levels=(1,),
    head_width=8,
)
UNITS = Normalizer((0.3, 0.5), (0.2, 0.4))
CLASSES = ClassEntry(3, ("cat", "dog", "eel"))
CONFIG = ClassifierConfig((2, 8, 8), "label", CLASSES, NETWORK, EDM(), 0.7)
X = torch.linspace(-3, 3, 256).reshape(2, 2, 8, 8)
T = torch.tensor([0.2, 0.7])


@pytest.fixture
def saved(tmp_path):
    """A classifier whose every layer does something, and its folder."""
    return save(tmp_path / "classifier", CONFIG)


def save(place, config):
    torch.manual_seed(0)
    classifier = config.build(UNITS).eval().requires_grad_(False)
    for parameter in classifier.parameters():
        parameter.add_(0.1 * torch.randn_like(parameter))
    folder.write_description(place, config, UNITS)
    write_tensors(place / folder.WEIGHTS, classifier.network.state_dict())
    return classifier, place


def test_what_is_written_is_read_back_to_the_bit(saved):
    classifier, place = saved
    state = torch.get_rng_state()
    loaded = clarion.load_classifier(place)
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(loaded(X, T), classifier(X, T))
    assert (loaded.data, loaded.process, loaded.sigma_data) == (classifier.data, EDM(), 0.7)
    assert not loaded.training
    assert not any(p.requires_grad for p in loaded.parameters())
    assert folder.read_description(place) == CONFIG == folder.read_classifier_config(place)
    card = (place / "README.md").read_text()
    assert "tells `label`, class of 3: cat, dog, eel" in card


def test_it_sees_unit_variance_and_says_probabilities(saved):
    """Against the network asked by hand, also in double and half precision."""
    classifier, _ = saved
    sigma = EDM().sigma(T)
    scaled = X / (0.7**2 + sigma**2).sqrt()[:, None, None, None]
    logits = classifier.network(scaled, sigma.log() / 4, None)
    expected = F.log_softmax(logits, 1)
    torch.testing.assert_close(classifier(X, T), expected, rtol=0, atol=1e-5)
    assert classifier(X.double(), T.double()).dtype == torch.float64
    with computing_in(torch.bfloat16, classifier):
        rough = classifier(X, T)
    assert rough.dtype == torch.float32
    # bfloat16 has 8 digits; over some ten layers an error of a few per cent of logits of size 1.
    assert 0 < (rough - expected).abs().max() < 0.1
    torch.testing.assert_close(rough.exp().sum(1), torch.ones(2), rtol=0, atol=1e-6)


def test_a_model_is_no_classifier_and_a_classifier_no_model(saved, make_model, tmp_path):
    _, place = saved
    make_model().save(tmp_path / "model")
    with pytest.raises(CheckpointError, match="holds a classifier, which steers a model") as info:
        clarion.load(place)
    assert f"--guidance classifier:{place}:2" in str(info.value)
    with pytest.raises(CheckpointError, match=r"holds a diffusion model, .*train-classifier"):
        clarion.load_classifier(tmp_path / "model")
    with pytest.raises(CheckpointError, match="a classifier is wanted here"):
        make_model().rules(f"classifier:{tmp_path / 'model'}:2")
    with pytest.raises(CheckpointError, match="There is no folder /nowhere/at/all"):
        make_model().rules("classifier:/nowhere/at/all:2")


def test_a_config_that_is_both_or_neither_is_refused(saved):
    _, place = saved
    config = place / "config.json"
    content = json.loads(config.read_text())
    for changed in (
        content | {"model": {}},
        {k: v for k, v in content.items() if "class" not in k},
    ):
        config.write_text(json.dumps(changed))
        with pytest.raises(CheckpointError, match=r"must hold one of model, classifier"):
            clarion.load_classifier(place)


def test_a_network_of_another_kind_is_refused():
    content = to_json(CONFIG)
    assert from_json(ClassifierConfig, content, "x") == CONFIG
    content["network"] = to_json(MLPConfig())
    with pytest.raises(
        CheckpointError, match=r"x: network of .* UNetConfig for EDM.*, got MLPConfig"
    ):
        from_json(ClassifierConfig, content, "x")


def test_damaged_weights_are_refused(saved):
    _, place = saved
    write_tensors(place / folder.WEIGHTS, {"enter.bias": torch.zeros(8)})
    with pytest.raises(CheckpointError, match=r"model.safetensors lacks embed_noise"):
        clarion.load_classifier(place)


def test_trainings_are_told_apart(saved):
    _, place = saved
    with pytest.raises(CheckpointError, match=r"holds a classifier, .* a model is wanted here"):
        folder.read_train_config(place, {})
    with pytest.raises(CheckpointError, match="a classifier without its training; it cannot be"):
        folder.read_train_config(place, {}, ClassifierTrainConfig)


def sample(model, place, **options):
    return model.sample(2, condition={"label": "dog"}, num_steps=3, **options)


def test_typed_and_given_in_python_it_steers_alike(saved, make_model):
    _, place = saved
    model = make_model()
    typed = sample(model, place, guidance=f"classifier:{place}:2")
    rule = clarion.guide.ClassifierGuidance(2.0, clarion.load_classifier(place))
    assert torch.equal(typed, sample(model, place, guidance=rule))
    assert rule.num_evaluations == 2 * 3
    assert (typed - sample(model, place)).abs().max() > 1e-3


def test_it_computes_in_the_precision_that_is_asked_for(saved, make_model):
    """Seen where it computes: the type of the network's own output."""
    _, place = saved
    model, classifier = make_model(), clarion.load_classifier(place)
    rule, seen = clarion.guide.ClassifierGuidance(2.0, classifier), []
    classifier.network.register_forward_hook(lambda *called: seen.append(called[2].dtype))
    for precision, dtype in (("bfloat16", torch.bfloat16), ("float32", torch.float32)):
        sample(model, place, guidance=rule, precision=precision)
        assert set(seen) == {dtype}
        seen.clear()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"process": Flow()}, "must have the model's process: it has Flow"),
        ({"shape": (2, 4, 4)}, r"the model's shape: it has \(2, 4, 4\), the model \(2, 8, 8\)"),
        ({"classes": ClassEntry(3)}, "the model's condition 'label'"),
        ({"label": "kind"}, r"needs the condition 'kind'; given are: label, pose"),
    ],
)
def test_one_that_does_not_fit_the_model_is_refused(make_model, tmp_path, changed, message):
    _, place = save(tmp_path / "other", replace(CONFIG, **changed))
    with pytest.raises(ClarionError, match=message):
        sample(make_model(), place, guidance=f"classifier:{place}:2")


def test_one_of_other_units_is_refused(saved, make_model, tmp_path):
    _, place = saved
    shutil.copytree(place, tmp_path / "other")
    folder.write_codec(tmp_path / "other", Normalizer((0.3, 0.5), (0.2, 0.401)))
    with pytest.raises(ClarionError, match="the model's normaliser"):
        sample(make_model(), place, guidance=f"classifier:{tmp_path / 'other'}:2")
