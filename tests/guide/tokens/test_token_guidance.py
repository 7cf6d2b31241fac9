"""Guidance of tokens, by enumeration."""

from dataclasses import replace

import pytest
import torch
from token_law import CHAIN, distance, law

from clarion.base.condition import Condition, encode_condition
from clarion.base.errors import ClarionError
from clarion.denoise import Visit
from clarion.denoise.classifier import NoisyClassifier
from clarion.denoise.denoiser import DenoiserWrapper
from clarion.denoise.exact.table import TableClassifier, TableDenoiser
from clarion.denoise.exact.tokens import markov_chain
from clarion.guide import APG, CFG, Compose
from clarion.guide.rule import SampleSpace
from clarion.guide.tokens import Infill, TokenClassifierGuidance
from clarion.process.grids import Trailing
from clarion.process.tokens import Masking, Uniform
from clarion.sample import sample
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.tau_leaping import TauLeaping

DOUBLE = torch.float64
OTHER = markov_chain([0.2, 0.2, 0.6], [[0.1, 0.8, 0.1], [0.5, 0.3, 0.2], [0.1, 0.3, 0.6]], 3)
WEIGHTS = [0.3, 0.7]
PROCESSES = [Masking(3), Uniform(3)]


def labelled(process):
    return TableDenoiser(process, [CHAIN, OTHER], WEIGHTS)


def everywhere(process, label=None, t=0.4):
    """All x_t, their times, and a label for each or none."""
    x = torch.cartesian_prod(*[torch.arange(process.num_states)] * 3)
    given = {} if label is None else {"label": label}
    condition = encode_condition(labelled(process).condition_spec, given, len(x))
    return x, torch.full((len(x),), t, dtype=DOUBLE), condition


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_cfg_multiplies_and_divides_probabilities(process):
    denoiser, (x, t, asked) = labelled(process), everywhere(process, 1)
    given, plain = denoiser(x, t, asked).mean, denoiser(x, t, None).mean
    expected = (given**2.5 / plain**1.5).nan_to_num(0)  # 0 of what is impossible in both
    expected = expected / expected.sum(-1, keepdim=True)
    actual = CFG(2.5)(denoiser)(x, t, asked).mean
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)
    for scale, same in ((1.0, given), (0.0, plain)):
        for steered in (CFG(scale)(denoiser), CFG(scale)(denoiser).at(Visit(0.4))):
            actual = steered(x, t, asked).mean
            torch.testing.assert_close(actual, same, rtol=0, atol=1e-12)


def test_an_interval_and_weights_hold_for_tokens_too():
    process = Masking(3)
    denoiser, (x, t, asked) = labelled(process), everywhere(process, 1)
    t = torch.where(torch.arange(len(t)) % 2 == 0, 0.2, 0.8).double()
    steered, plain = (d(x, t, asked).mean for d in (CFG(3.0)(denoiser), denoiser))
    actual = CFG(3.0, t_high=0.5)(denoiser)(x, t, asked).mean
    expected = torch.where((t < 0.5)[:, None, None], steered, plain)
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    spec = denoiser.condition_spec
    both = encode_condition(spec, [({"label": 0}, 0.4), ({"label": 1}, 0.6)], len(x))
    parts = [denoiser(x, t, encode_condition(spec, {"label": k}, len(x))).mean for k in (0, 1)]
    expected = parts[0] ** 0.4 * parts[1] ** 0.6
    expected = expected / expected.sum(-1, keepdim=True)
    actual = Compose()(denoiser)(x, t, both).mean
    torch.testing.assert_close(actual, expected, rtol=0, atol=1e-10)


class Tilted:
    """A sampler whose transitions are those after the tilt, for `law`."""

    def __init__(self, sampler):
        self.sampler, self.plan = sampler, sampler.plan

    def transition(self, stage, x, estimate):
        return self.sampler.tilted(self.sampler.transition(stage, x, estimate), estimate)


@pytest.mark.parametrize("sampler", [AncestralTokens(), TauLeaping()], ids=str)
@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_a_perfect_classifier_gives_the_conditional_law(process, sampler):
    """To first order in the length of the steps, as the conditional model itself does."""
    classifier = TableClassifier(process, [CHAIN, OTHER], WEIGHTS)
    steered = TokenClassifierGuidance(1.0, classifier)(labelled(process))
    asked = everywhere(process, 0)[2]
    found = [
        distance(law(Tilted(sampler), steered, Trailing()(process, n), asked)) for n in (16, 32, 64)
    ]
    plain = distance(law(sampler, labelled(process), Trailing()(process, 64)))
    assert plain > 0.2  # what it would be without the classifier
    assert found[2] < 0.02
    assert found[1] / found[2] == pytest.approx(2, abs=0.25)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_gains_are_ratios_of_the_classifier(process):
    classifier = TableClassifier(process, [CHAIN, OTHER], WEIGHTS)
    x, t, asked = everywhere(process, 1)
    estimate = TokenClassifierGuidance(1.7, classifier)(labelled(process))(x, t, asked)
    for row, place, b in [(5, 0, 1), (20, 1, 2), (26, 2, 0)]:
        there = x[row].clone()
        there[place] = b
        pair = classifier(torch.stack([there, x[row]]), t[:2])[:, 1]
        expected = 1.7 * float(pair[0] - pair[1])
        if isinstance(process, Masking) and x[row, place] != process.mask:
            expected = 0.0
        assert float(estimate.tilt[row, place, b]) == pytest.approx(expected, abs=1e-12)


class LogLinear(NoisyClassifier):
    """log p(label | x) = sum over positions of weights, so that a Taylor series ends there."""

    def __init__(self, process):
        super().__init__(process, 2)
        shape = (2, 3, process.num_states)
        self.w = torch.randn(shape, dtype=DOUBLE, generator=torch.Generator().manual_seed(0))

    def log_probabilities(self, x_t, t):
        if not x_t.is_floating_point():
            x_t = torch.nn.functional.one_hot(x_t, self.process.num_states).double()
        return torch.einsum("bls,yls->by", x_t, self.w)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_first_order_is_exact_where_there_is_no_second(process):
    x, t, asked = everywhere(process, 1)
    every, gradient = (
        TokenClassifierGuidance(2.0, LogLinear(process), how)(labelled(process))(x, t, asked).tilt
        for how in ("exact", "first_order")
    )
    assert every.abs().max() > 1
    torch.testing.assert_close(gradient, every, rtol=0, atol=1e-12)


def test_without_a_label_nothing_is_tilted():
    process = Masking(3)
    x, t, asked = everywhere(process, 1)
    present = torch.arange(len(x)) % 2 == 1
    asked = asked.keep_where({"label": present})
    tilt = TokenClassifierGuidance(2.0, LogLinear(process))(labelled(process))(x, t, asked).tilt
    assert (tilt[~present] == 0).all()
    assert tilt[present].abs().max() > 1


class LogLinearOf(LogLinear):
    """The same with other weights."""

    def __init__(self, process):
        super().__init__(process)
        self.w = self.w.flip(1)


def tilts(*denoisers, at):
    return [denoiser(*at).tilt for denoiser in denoisers]


def test_rules_round_a_classifier_keep_its_tilt():
    process = Masking(3)
    x, t, asked = at = everywhere(process, 1)
    inner = TokenClassifierGuidance(2.0, LogLinear(process))(labelled(process))
    mask = torch.tensor([True, False, False])
    infill = Infill(KNOWN, mask).bind(SampleSpace((3,)))(inner)
    shown = torch.where(mask, KNOWN, x)
    (own,), (actual,) = tilts(inner, at=(shown, t, asked)), tilts(infill, at=at)
    torch.testing.assert_close(actual, own, rtol=0, atol=1e-12)
    assert (actual[:, 0] == 0).all()
    assert actual.abs().max() > 1
    # The unconditional pass of CFG has no tilt: it grows as the logits' difference does.
    (own,), (actual,) = tilts(inner, at=at), tilts(CFG(3.0)(inner), at=at)
    torch.testing.assert_close(actual, 3 * own, rtol=0, atol=1e-12)


def test_an_interval_cuts_the_tilt_where_no_stop_is_known():
    process = Masking(3)
    x, t, asked = everywhere(process, 1)
    t = torch.where(torch.arange(len(t)) % 2 == 0, 0.2, 0.8).double()
    whole = TokenClassifierGuidance(2.0, LogLinear(process))
    cut = TokenClassifierGuidance(2.0, LogLinear(process), t_high=0.5)
    every, some = tilts(whole(labelled(process)), cut(labelled(process)), at=(x, t, asked))
    expected = every.where((t < 0.5)[:, None, None], 0.0)
    assert expected.abs().max() > 1
    torch.testing.assert_close(some, expected, rtol=0, atol=1e-12)


def test_tilts_of_two_classifiers_add_up():
    """Each steers by a label of its own."""
    process = Masking(3)
    x, t, asked = everywhere(process, 1)
    both = Condition(
        asked.values | {"other": 1 - asked.values["label"]},
        asked.present | {"other": asked.present["label"]},
    )
    first = TokenClassifierGuidance(2.0, LogLinear(process))
    second = TokenClassifierGuidance(0.7, LogLinearOf(process), name="other")
    plain = labelled(process)
    a, b, together = tilts(first(plain), second(plain), second(first(plain)), at=(x, t, both))
    assert min(a.abs().max(), b.abs().max()) > 0.5
    torch.testing.assert_close(together, a + b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("how", ["exact", "first_order"])
def test_the_classifier_is_bound_and_counted(how):
    process = Masking(3)
    x, t, asked = everywhere(process, 1)
    rule = TokenClassifierGuidance(2.0, LogLinear(process), how)
    space = SampleSpace((3,), condition=asked)
    denoiser = rule.bind(space)(labelled(process))
    denoiser(x, t, asked)
    others = 3 * int((x == process.mask).sum()) if how == "exact" else 0
    assert denoiser.num_evaluations == 2 * len(x) + others
    whole = x[:1]  # of which nothing can change
    assert (denoiser(whole, t[:1], asked.rows(slice(1))).tilt == 0).all()
    assert denoiser.num_evaluations == 2 * len(x) + others + 2
    assert denoiser.num_gradients == (len(x) + 1 if how == "first_order" else 0)
    assert rule.networks == {"classifier": rule.classifier}
    unknown = Condition({"label": torch.tensor([2])}, {"label": torch.tensor([True])})
    with pytest.raises(ClarionError, match=r"'label' is 2, but the classifier knows .* 0\.\.1"):
        rule.bind(replace(space, condition=unknown))
    with pytest.raises(ClarionError, match="needs the condition 'label'; given are: none"):
        rule.bind(SampleSpace((3,)))


class Forgetful(DenoiserWrapper):
    """Asks without any condition."""

    def forward(self, x_t, t, condition=None):
        return self.inner(x_t, t)


def test_an_absent_label_may_be_any_number():
    process = Masking(3)
    x, t, asked = everywhere(process, 1)
    absent = Condition({"label": asked.values["label"] + 8}, {"label": asked.values["label"] < 0})
    # The table refuses such a label, so it is not told of it; the classifier is.
    denoiser = Forgetful(labelled(process))
    tilt = TokenClassifierGuidance(2.0, LogLinear(process))(denoiser)(x, t, absent).tilt
    assert (tilt == 0).all()


def test_two_rules_of_one_label_are_refused():
    process = Masking(3)
    rule = TokenClassifierGuidance(1.0, LogLinear(process))
    with pytest.raises(ClarionError, match=r"Two rules by a classifier .* condition 'label'"):
        rule(CFG(2.0)(rule(labelled(process))))


def given_first(token):
    truth = torch.zeros_like(CHAIN.probabilities)
    truth[token] = CHAIN.probabilities[token] / CHAIN.probabilities[token].sum()
    return truth


def test_known_tokens_are_conditions():
    """The law tends to p(unknown | known), at the rate of the sampler."""
    process = Masking(3)
    rule = Infill(KNOWN, torch.tensor([True, False, False])).bind(SampleSpace((3,)))
    denoiser = rule(TableDenoiser(process, CHAIN))
    found = [
        distance(law(AncestralTokens(), denoiser, Trailing()(process, n)), given_first(0))
        for n in (32, 64)
    ]
    assert found[0] / found[1] == pytest.approx(2, abs=0.1)
    x = sample(denoiser, (3,), n=50, sampler=AncestralTokens(), num_steps=3)
    assert (x[:, 0] == 0).all()


def test_between_known_tokens_any_steps_are_exact():
    """Given the one in the middle the ends of the chain are independent."""
    process = Masking(3)
    rule = Infill(KNOWN, torch.tensor([False, True, False])).bind(SampleSpace((3,)))
    truth = torch.zeros_like(CHAIN.probabilities)
    truth[:, 1] = CHAIN.probabilities[:, 1] / CHAIN.probabilities[:, 1].sum()
    times = Trailing()(process, 4)
    found = law(AncestralTokens(), rule(TableDenoiser(process, CHAIN)), times)
    assert distance(found, truth) < 1e-12


KNOWN = torch.tensor([0, 1, 2])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: APG(2.0)(labelled(Masking(3))), r"APG.* cannot steer a model of Masking"),
        (
            lambda: Infill(KNOWN, KNOWN > 0)(labelled(Uniform(3))),
            r"Infill.* cannot steer a model of Uniform",
        ),
        (
            lambda: Infill(KNOWN + 1, KNOWN > 0)(labelled(Masking(3))),
            r"must hold tokens 0\.\.2, got 2 to 3",
        ),
        (
            lambda: Infill(KNOWN[:2], KNOWN > 0).bind(SampleSpace((3,))),
            r"known of infill must have the shape of a sample, \(3,\), got \(2,\)",
        ),
        (
            lambda: Infill(KNOWN, KNOWN).bind(SampleSpace((3,))),
            r"a mask of bools, got torch\.int64 and torch\.int64",
        ),
        (lambda: Infill([1], KNOWN > 0), r"known of infill must be a tensor, got \[1\]"),
        (lambda: Infill(KNOWN, [True]), r"mask of infill must be a tensor, got \[True\]"),
        (
            lambda: TokenClassifierGuidance(1.0, LogLinear(Masking(4)))(labelled(Masking(3))),
            "must have the model's process",
        ),
        (
            lambda: TokenClassifierGuidance(1.0, LogLinear(Masking(3)), "all"),
            "neighbours must be 'exact' or 'first_order', got 'all'",
        ),
    ],
)
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()
