"""Composition and negative conditions against sums of exact estimates."""

import pytest
import torch

from clarion.base.condition import ClassEntry, Condition, encode_condition
from clarion.base.errors import ClarionError
from clarion.guide import CFG, Compose
from clarion.process import Flow
from clarion.verify.targets import TARGETS

SPEC = {"label": ClassEntry(2)}
DENOISER = TARGETS["classes"].denoiser(Flow())
X = torch.linspace(-2, 2, 10, dtype=torch.float64).reshape(5, 2)
T = torch.linspace(0.2, 0.8, 5, dtype=torch.float64)


def mean(given, negative=None, rule=None):
    """The estimate of the rule, or of the exact denoiser itself."""
    condition = encode_condition(SPEC, given, 5, negative)
    return (rule(DENOISER) if rule else DENOISER)(X, T, condition).mean


def test_terms_are_added_up_and_the_rest_is_unconditional():
    given = [({"label": 0}, 0.7), ({"label": 1}, 0.6)]
    expected = 0.7 * mean({"label": 0}) + 0.6 * mean({"label": 1}) - 0.3 * mean({})
    torch.testing.assert_close(mean(given, rule=Compose()), expected, rtol=0, atol=1e-12)


def test_weights_that_add_up_to_one_cost_no_unconditional_pass():
    before = DENOISER.num_evaluations
    mean([({"label": 0}, 0.7), ({"label": 1}, 0.3)], rule=Compose())
    assert DENOISER.num_evaluations - before == 2 * 5


def test_one_term_of_weight_one_is_its_condition():
    actual = mean([({"label": 1}, 1.0)], rule=Compose())
    torch.testing.assert_close(actual, mean({"label": 1}), rtol=0, atol=1e-12)


def test_guidance_goes_away_from_the_negative_condition():
    actual = mean({"label": 0}, {"label": 1}, CFG(3.0))
    expected = mean({"label": 1}) + 3 * (mean({"label": 0}) - mean({"label": 1}))
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)


def test_guidance_round_a_composition_is_the_formula_of_both():
    given = [({"label": 0}, 0.7), ({"label": 1}, 0.3)]
    together = 0.7 * mean({"label": 0}) + 0.3 * mean({"label": 1})
    expected = mean({}) + 3 * (together - mean({}))
    for rule in (CFG(3.0), lambda denoiser: CFG(3.0)(Compose()(denoiser))):
        torch.testing.assert_close(mean(given, rule=rule), expected, rtol=0, atol=1e-12)


def test_a_sum_of_conditions_without_the_rule_is_refused():
    with pytest.raises(ClarionError, match="needs the rule"):
        mean([({"label": 0}, 0.7)])


def test_all_parts_follow_the_rows():
    condition = encode_condition(SPEC, [({"label": [0, 1, None]}, 0.5)], 3, {"label": [1, 1, 0]})
    part = condition.rows(slice(1, 3))
    ((weight, term),) = part.terms
    assert weight == 0.5
    assert term.values["label"].tolist() == [1, 0]
    assert term.present["label"].tolist() == [True, False]
    assert part.negative is not None
    assert part.negative.values["label"].tolist() == [1, 0]
    assert part.repeat(2).terms[0][1].values["label"].tolist() == [1, 1, 0, 0]
    assert isinstance(part.to("cpu"), Condition)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "must be name -> value"),
        ("label=3", "must be name -> value"),
        ([{"label": 1}], "is a pair"),
        ([({"label": 1}, "x")], "is a pair"),
        ([({"label": 7}, 1.0)], "must be in 0..1, got 7"),
        ([({"lable": 1}, 1.0)], "Did you mean 'label'"),
    ],
)
def test_bad_compositions(given, message):
    with pytest.raises(ClarionError, match=message):
        encode_condition(SPEC, given, 2)
