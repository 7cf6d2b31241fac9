"""Token samplers: the law of what they draw, by enumeration."""

import pytest
import torch
from token_law import CHAIN, distance, exact, law

from clarion.base.errors import ClarionError
from clarion.denoise.estimate import TokenEstimate
from clarion.denoise.exact import GaussianDenoiser
from clarion.process import EDM
from clarion.process.grids import Trailing
from clarion.process.tokens import Masking, Uniform
from clarion.sample.ancestral import DDIMSampler
from clarion.sample.loop import sample
from clarion.sample.tokens.ancestral import AncestralTokens
from clarion.sample.tokens.confidence import MEASURES, Confidence
from clarion.sample.tokens.corrector import PredictorCorrector
from clarion.sample.tokens.remasking import Remasking
from clarion.sample.tokens.tau_leaping import TauLeaping

DOUBLE = torch.float64
FIRST_ORDER = [
    (AncestralTokens(), Masking(3)),
    (AncestralTokens(), Masking(3, "cosine")),
    (AncestralTokens(), Uniform(3)),
    (AncestralTokens(), Uniform(3, "quadratic")),
    (TauLeaping(), Masking(3)),
    (TauLeaping(), Uniform(3)),
    (Remasking(), Masking(3)),
    (PredictorCorrector(), Masking(3)),
    (PredictorCorrector(2, 0.5), Uniform(3)),
]


def distances(sampler, process, *numbers):
    return [distance(law(sampler, exact(process), Trailing()(process, n))) for n in numbers]


@pytest.mark.parametrize(("sampler", "process"), FIRST_ORDER, ids=str)
def test_the_distance_halves_with_each_doubling_of_the_steps(sampler, process):
    d = distances(sampler, process, 32, 64)
    assert d[1] > 1e-3  # else rounding would be compared
    # What is left of the next order, 1 / n, at 64 steps.
    assert d[0] / d[1] == pytest.approx(2, abs=0.12)


def test_mending_costs_evaluations_and_brings_the_law_nearer():
    (plain,), (mended,) = (
        distances(sampler, Masking(3), 8) for sampler in (AncestralTokens(), PredictorCorrector(2))
    )
    assert mended < 0.7 * plain
    times = Trailing()(Masking(3), 8)
    assert PredictorCorrector(2).plan(Masking(3), times).num_evaluations == 8 + 2 * 7


def test_remasking_of_nothing_is_ancestral():
    for sampler in (Remasking(rate=0.0), Remasking(share=0.0)):
        times = Trailing()(Masking(3), 5)
        expected = law(AncestralTokens(), exact(Masking(3)), times)
        actual = law(sampler, exact(Masking(3)), times)
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("sampler", [Remasking(share=0.7), Remasking(rate=2.0)])
def test_remasking_leaves_as_many_tokens_visible(sampler):
    """For one position the share of visible tokens is alpha(t) at every stop, exactly."""
    process = Masking(3, "cosine")
    stages = sampler.plan(process, Trailing()(process, 6)).stages
    p = torch.tensor([0.5, 0.3, 0.2], dtype=DOUBLE)
    at_stop = torch.tensor([0.0, 0.0, 0.0, 1.0], dtype=DOUBLE)
    x = torch.arange(4)[:, None]
    for stage in stages:
        estimate = TokenEstimate.of_probabilities(p.expand(4, 1, 3))
        at_stop = at_stop @ sampler.transition(stage, x, estimate)[:, 0]
        alpha = float(process.alpha(torch.tensor(stage.next_t, dtype=DOUBLE)))
        expected = torch.cat([alpha * p, torch.tensor([1 - alpha], dtype=DOUBLE)])
        torch.testing.assert_close(at_stop, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("measure", list(MEASURES))
def test_one_position_a_step_is_exact_in_the_order_of_confidence(measure):
    two, three, many = distances(Confidence(measure), Masking(3), 2, 3, 10)
    assert two > 0.1
    assert max(three, many) < 1e-12


def test_samples_have_that_law():
    """Shares of 20,000 samples; the distance expected of exact ones is 0.015."""
    process = Masking(3)
    x = sample(exact(process), (3,), n=20_000, sampler=AncestralTokens(), num_steps=4)
    assert x.dtype == torch.int64
    shares = torch.bincount(x @ torch.tensor([9, 3, 1]), minlength=27).double() / len(x)
    expected = law(AncestralTokens(), exact(process), Trailing()(process, 4))
    assert distance(shares.reshape(3, 3, 3), expected) < 0.025
    assert distance(shares.reshape(3, 3, 3)) > 0.05


def test_a_sample_is_the_same_in_any_batch():
    settings = {"sampler": AncestralTokens(), "num_steps": 5, "seed": 3}
    whole = sample(exact(Uniform(3)), (3,), n=7, **settings)
    part = sample(exact(Uniform(3)), (3,), indices=[5, 2], **settings)
    assert torch.equal(part, whole[[5, 2]])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Remasking(share=0.1, rate=1.0), "Give rate or share"),
        (lambda: Remasking(share=1.5), r"share must be a finite number in \[0, 1\]"),
        (lambda: Confidence("marign"), "Did you mean 'margin'"),
        (lambda: PredictorCorrector(0), "num_corrections must be a whole number, at least 1"),
        (
            lambda: sample(exact(Uniform(3)), (3,), n=1, sampler=Remasking(rate=1.0)),
            "needs masked tokens; for Uniform.* take 'ancestral'",
        ),
        (
            lambda: sample(
                GaussianDenoiser(EDM(), torch.zeros(2), torch.eye(2)),
                (2,), n=1, sampler=AncestralTokens(),
            ),
            "draws tokens, and the model is of EDM",
        ),
        (
            lambda: sample(exact(Masking(3)), (3,), n=1, sampler=DDIMSampler()),
            "This sampler moves numbers, and the model is of Masking",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()


def test_the_chain_is_no_product_of_its_positions():
    """Else no sampler could err."""
    alone = [CHAIN.marginals(i, 1) for i in range(3)]
    product = alone[0][:, None, None] * alone[1][:, None] * alone[2]
    assert distance(product) > 0.1
