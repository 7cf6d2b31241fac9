"""Guidance by the exact classifier of a mixture, against its conditional scores."""

import math
from dataclasses import replace

import pytest
import torch

from clarion.base.condition import ClassEntry, Condition, VectorEntry, encode_condition
from clarion.base.errors import ClarionError
from clarion.base.normalizer import Normalizer
from clarion.denoise import Visit
from clarion.denoise.exact import MixtureClassifier
from clarion.denoise.known_data import KnownData
from clarion.guide import CFG, ClassifierGuidance, Reward, SampleSpace
from clarion.process import EDM, PROCESSES, Flow
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
UNITS = Normalizer((0.0,), (1.0,))
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
LABELS = {"label": [0, 1, None, 1, 0]}
CONDITION = encode_condition(SPEC, LABELS, 5)


def problem(process):
    denoiser = TARGETS["classes"].denoiser(process)
    t = process.time_of_noise_level(torch.logspace(-1, 1, 5, dtype=torch.float64))
    return denoiser, MixtureClassifier(denoiser), t


@pytest.mark.parametrize("name", list(PROCESSES))
def test_scale_one_is_the_conditional_mixture_and_zero_the_unconditional_one(name):
    denoiser, classifier, t = problem(PROCESSES[name]())
    conditional, unconditional = denoiser(X, t, CONDITION).mean, denoiser(X, t).mean
    assert (conditional - unconditional).abs().max() > 0.1
    for scale, expected in ((1.0, conditional), (0.0, unconditional)):
        actual = ClassifierGuidance(scale, classifier)(denoiser)(X, t, CONDITION).mean
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", list(PROCESSES))
def test_other_scales_are_those_of_classifier_free_guidance(name):
    """With exact models both add w grad log p(label | x_t)."""
    denoiser, classifier, t = problem(PROCESSES[name]())
    expected = CFG(2.5)(denoiser)(X, t, CONDITION).mean
    actual = ClassifierGuidance(2.5, classifier)(denoiser)(X, t, CONDITION).mean
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


def test_rows_are_alone_and_rows_without_a_label_are_left():
    denoiser, classifier, t = problem(Flow())
    guided = ClassifierGuidance(3.0, classifier)(denoiser)
    whole = guided(X, t, CONDITION).mean
    torch.testing.assert_close(whole[2], denoiser(X, t).mean[2], rtol=0, atol=1e-14)
    for i in range(5):
        row = slice(i, i + 1)
        alone = guided(X[row], t[row], CONDITION.rows(row)).mean
        torch.testing.assert_close(alone, whole[row], rtol=0, atol=1e-13)
    assert not whole.requires_grad


def test_a_reward_round_it_is_differentiated_right():
    """Against the same reward round the exact conditional model."""
    denoiser, classifier, t = problem(Flow())
    reward = Reward(lambda x0, _: -(x0**2).sum(1), 0.4)
    expected = reward(denoiser)(X, t, CONDITION).mean
    actual = reward(ClassifierGuidance(1.0, classifier)(denoiser))(X, t, CONDITION).mean
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


def test_outside_its_interval_the_model_is_the_plain_conditional_one():
    denoiser, classifier, _ = problem(Flow())
    guided = ClassifierGuidance(3.0, classifier, t_low=0.3, t_high=0.6)(denoiser)
    assert guided.at(Visit(0.7)) is denoiser


def test_the_classifier_is_counted_from_when_the_rule_was_made():
    denoiser, classifier, t = problem(Flow())
    classifier(X, t)
    guided = ClassifierGuidance(3.0, classifier)(denoiser)
    before = denoiser.num_evaluations
    guided(X, t, CONDITION)
    assert guided.num_evaluations - before == 10
    assert guided.rule.num_evaluations == 5


def test_the_exact_classifier_knows_probabilities():
    _, classifier, t = problem(Flow())
    total = classifier(X, t).exp().sum(1)
    torch.testing.assert_close(total, torch.ones_like(total), rtol=0, atol=1e-12)
    # Buried in noise, each class is as likely as it is frequent: 0.4 and 0.6.
    far = EDM(sigma_max=1e6)
    _, classifier, _ = problem(far)
    likely = classifier(X, torch.ones(5, dtype=torch.float64)).exp()
    expected = torch.tensor([0.4, 0.6], dtype=torch.float64).expand(5, 2)
    torch.testing.assert_close(likely, expected, rtol=0, atol=1e-5)


def bind(condition):
    classifier = problem(Flow())[1]
    return ClassifierGuidance(3.0, classifier).bind(SampleSpace((2,), condition=condition))


def test_what_does_not_fit_is_refused():
    denoiser, classifier, t = problem(Flow())
    with pytest.raises(ClarionError, match="scale must be a finite number, got nan"):
        ClassifierGuidance(math.nan, classifier)
    with pytest.raises(ClarionError, match="classifier must be a NoisyClassifier, got 'x'"):
        ClassifierGuidance(1.0, "x")
    with pytest.raises(ClarionError, match="must have the model's process: it has Flow"):
        ClassifierGuidance(1.0, classifier)(problem(EDM())[0])
    with pytest.raises(ClarionError, match="needs the condition 'label'; given are: none"):
        bind(None)
    with pytest.raises(ClarionError, match="needs the condition 'label'; given are: none"):
        ClassifierGuidance(1.0, classifier)(denoiser)(X, t)
    with pytest.raises(ClarionError, match="needs the condition 'label'; given are: size"):
        bind(encode_condition({"size": VectorEntry(1)}, {"size": 1.0}, 1))
    with pytest.raises(ClarionError, match="'label' is no label"):
        bind(encode_condition({"label": VectorEntry(1)}, {"label": 1.0}, 1))
    with pytest.raises(ClarionError, match=r"'label' is 6, but the classifier knows .* 0\.\.1"):
        bind(encode_condition({"label": ClassEntry(7)}, {"label": 6}, 1))
    with pytest.raises(ClarionError, match="not a weighted sum or a negative one"):
        bind(encode_condition(SPEC, {"label": 1}, 1, {"label": 0}))
    with pytest.raises(ClarionError, match="not a weighted sum or a negative one"):
        bind(encode_condition(SPEC, [({"label": 1}, 0.5)], 1))
    assert isinstance(bind(CONDITION), ClassifierGuidance)
    absent = Condition({"label": torch.tensor([9])}, {"label": torch.tensor([False])})
    assert isinstance(bind(absent), ClassifierGuidance)


def trained(name="label", classes=ClassEntry(2), **fields):  # noqa: B008
    """A classifier that knows which data it was trained on."""
    _, classifier, _ = problem(Flow())
    defaults = {"shape": (2,), "codec": UNITS, "spec": {name: classes}}
    classifier.data = KnownData(**defaults | fields)
    return classifier


def test_a_classifier_of_other_data_is_refused():
    """Its gradient would be that of another function of the samples."""
    space = SampleSpace((2,), UNITS, condition=CONDITION, spec=SPEC)
    assert ClassifierGuidance(1.0, trained()).bind(space).name == "label"
    dropped = replace(space, spec={"label": ClassEntry(2, dropout=0.3)})
    ClassifierGuidance(1.0, trained()).bind(dropped)
    for fields, message in (
        ({"shape": (3,)}, r"the model's shape: it has \(3,\), the model \(2,\)"),
        ({"codec": Normalizer((0.0,), (2.0,))}, r"the model's normaliser: it has .*2\.0"),
        ({"classes": ClassEntry(2, ("a", "b"))}, r"the model's condition 'label': .*'a', 'b'"),
    ):
        with pytest.raises(ClarionError, match=message) as info:
            ClassifierGuidance(1.0, trained(**fields)).bind(space)
        assert "clarion train-classifier MODEL" in str(info.value)


def test_it_steers_by_the_condition_that_it_was_trained_on():
    assert ClassifierGuidance(1.0, trained(name="kind")).name == "kind"
    assert ClassifierGuidance(1.0, trained(name="kind"), name="label").name == "label"
    assert ClassifierGuidance(1.0, problem(Flow())[1]).name == "label"
