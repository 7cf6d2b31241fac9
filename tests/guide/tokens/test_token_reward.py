"""Guidance of tokens by a reward, against exact tilts and finite differences."""

import pytest
import torch
from token_law import CHAIN, exact, noisy_sequences

from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary
from clarion.denoise import Visit
from clarion.denoise.exact.table import TableDenoiser
from clarion.denoise.exact.tokens import markov_chain
from clarion.guide.rule import SampleSpace
from clarion.guide.tokens import TokenReward
from clarion.process import EDM
from clarion.process.tokens import Masking, Uniform
from clarion.run.steering import read_rules
from clarion.sample import sample

DOUBLE = torch.float64
PROCESSES = [Masking(3), Uniform(3)]
WEIGHTS = torch.tensor([[0.5, -1.0, 0.2], [0.0, 0.8, -0.3], [1.2, 0.1, -0.7]], dtype=DOUBLE)
SPACE = SampleSpace((3,), codec=Vocabulary(tuple("ABC")))
APART = markov_chain([0.5, 0.3, 0.2], [[0.5, 0.3, 0.2]] * 3, 3)


def linear(x0, condition):
    return (x0 * WEIGHTS.to(x0.dtype)).sum((1, 2))


def curved(x0, condition):
    of_places = (x0 * WEIGHTS.to(x0.dtype)).sum(2)
    return of_places.prod(1) - (of_places - 0.3).square().sum(1)


def everywhere(process, t=0.4):
    x = noisy_sequences(process)
    return x, torch.full((len(x),), t, dtype=DOUBLE)


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_a_linear_reward_of_independent_places_is_the_exact_tilt(process):
    x0 = torch.cartesian_prod(*[torch.arange(3)] * 3)
    gain = linear(torch.nn.functional.one_hot(x0, 3).double(), None).exp().reshape(3, 3, 3)
    tilted = APART.probabilities * gain**1.7
    own = TableDenoiser(process, type(APART)(tilted / tilted.sum()))
    steered = TokenReward(linear, 1.7).bind(SPACE)(TableDenoiser(process, APART))
    for t in (0.1, 0.4, 0.9):
        x, times = everywhere(process, t)
        expected, actual = own(x, times).mean, steered(x, times).mean
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-12)
    drawn = [sample(d, (3,), n=50, num_steps=6, dtype=DOUBLE) for d in (steered, own)]
    assert torch.equal(*drawn)
    assert not torch.equal(drawn[0], sample(TableDenoiser(process, APART), (3,), n=50, num_steps=6))


@pytest.mark.parametrize("process", PROCESSES, ids=str)
def test_logits_move_by_the_slope_at_the_estimate(process):
    x, t = everywhere(process)
    plain = exact(process)(x, t)
    moved = TokenReward(curved, 0.8)(exact(process))(x, t).logits - plain.logits
    for row, place, b in [(0, 0, 1), (7, 2, 0), (20, 1, 2)]:
        step = torch.zeros(3, 3, dtype=DOUBLE)
        step[place, b] = 1e-6
        m = plain.mean[row]
        pair = curved(torch.stack([m + step, m - step]), None)
        expected = 0.8 * float(pair[0] - pair[1]) / 2e-6
        assert float(moved[row, place, b]) == pytest.approx(expected, abs=1e-8)


def test_an_interval_and_a_scale_of_0_leave_the_model_as_it_is():
    process = Masking(3)
    x, t = everywhere(process, 0.7)
    plain = exact(process)(x, t).logits
    for rule in (TokenReward(curved, 0.0), TokenReward(curved, 2.0, t_high=0.5)):
        assert torch.equal(rule(exact(process)).at(Visit(0.7))(x, t).logits, plain)


def test_what_a_user_may_get_wrong():
    def of_tokens(x0, condition):
        return (x0 == 1).sum((1, 2)).float()

    def of_the_batch(x0, condition):
        return linear(x0, condition) + x0.sum()  # ones in each place: the rows of the batch

    def broken(x0, condition):
        return linear(x0, condition) * float("nan")

    for fn, message in (
        (of_tokens, "no gradient: .*The sampler `particles` needs no gradient"),
        (of_the_batch, "must not depend on the others"),
        (broken, "must give numbers, got NaN"),
        (lambda x0, condition: x0, r"must give one number a sample, shape \(2,\)"),
        (lambda x0, condition: x0 @ torch.zeros(7), "fails on samples of shape"),
    ):
        with pytest.raises(ClarionError, match=message):
            TokenReward(fn, 1.0).bind(SPACE)
    with pytest.raises(ClarionError, match="needs their vocabulary, got None"):
        TokenReward(linear, 1.0).bind(SampleSpace((3,)))
    with pytest.raises(ClarionError, match="scale"):
        TokenReward(linear, float("nan"))


def test_a_reward_that_breaks_on_the_way_is_noted():
    visit = Visit(0.4)
    x, t = everywhere(Masking(3))
    far = TokenReward(lambda x0, c: linear(x0, c).where(x0[:, 0, 0] < 0.6, torch.nan), 1.0)
    estimate = far(exact(Masking(3))).at(visit)(x, t)
    assert estimate.logits.isnan().any()
    assert CHAIN.length == 3


def test_the_name_is_that_of_the_process(tmp_path):
    (tmp_path / "own.py").write_text("def helix(x0, condition):\n    return x0[..., 0].sum(1)\n")
    typed = f"reward:{tmp_path / 'own.py'}#helix:2"
    (rule,) = read_rules(typed, lambda name: None, Masking(3))
    assert isinstance(rule, TokenReward)
    assert rule.scale == 2
    (other,) = read_rules(typed, lambda name: None, EDM())
    assert not isinstance(other, TokenReward)
