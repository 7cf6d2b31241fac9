"""Ensembles of predictors, on a function of sequences that is known."""

import pytest
import torch

from clarion.base.errors import DataError
from clarion.nets.regressor import RegressorConfig
from clarion.train.ensemble import Ensemble, EnsembleConfig, fit_ensemble

CONFIG = EnsembleConfig(
    RegressorConfig(width=16, kernel=3, num_layers=1, dropout=0.0),
    num_folds=3, num_steps=250, batch_size=64, learning_rate=5e-3,
)  # fmt: skip
NOISE = 0.5


def truth(x):
    return 10 + 2.0 * (x == 1).sum(1) - 1.0 * (x[:, 0] == 2)


def data(n, seed):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randint(4, (n, 5), generator=generator)
    return x, truth(x) + NOISE * torch.randn(n, generator=generator)


@pytest.fixture(scope="module")
def ensemble():
    return fit_ensemble(*data(600, 0), 4, CONFIG)


def test_it_learns_what_can_be_learnt(ensemble):
    x, _ = data(500, 1)
    error = (ensemble(x) - truth(x)).square().mean().sqrt()
    assert error < 0.4 * NOISE  # the noise of 600 values, spread over some 20 numbers


def test_intervals_hold_as_often_as_they_say(ensemble):
    """At least 1 - 2 a of new examples, and about 1 - a: 0.9 with a deviation of 0.0095."""
    x, y = data(1000, 2)
    low, high = ensemble.interval(x, 0.9)
    share = float(((low <= y) & (y <= high)).double().mean())
    assert share == pytest.approx(0.9, abs=0.04)
    assert (high - low).mean() == pytest.approx(2 * 1.645 * NOISE, rel=0.15)
    narrow = [end.mean() for end in ensemble.interval(x, 0.5)]
    assert low.mean() < narrow[0] < narrow[1] < high.mean()


def test_no_network_saw_what_its_errors_are_of(ensemble):
    x, y = data(600, 0)
    for fold in range(3):
        rows = ensemble.folds == fold
        own = (ensemble.each(x[rows])[fold] - y[rows]).abs()
        torch.testing.assert_close(ensemble.errors[rows], own, rtol=1e-4, atol=1e-4)
    assert ensemble.folds.bincount().tolist() == [200, 200, 200]
    seen = torch.stack(
        [(ensemble.each(x)[k] - y).square()[ensemble.folds != k].mean() for k in range(3)]
    )
    assert (seen.mean() < ensemble.errors.square().mean()).item()


def test_the_ends_are_the_quantiles_of_barber_and_others():
    """Two members that say 0 and 10; four errors: by hand."""

    class Says(torch.nn.Module):
        def __init__(self, value):
            super().__init__()
            self.value = value

        def forward(self, x):
            return torch.full((len(x),), self.value)

    ensemble = Ensemble(
        [Says(0.0), Says(10.0)], 0.0, 1.0, torch.tensor([0, 0, 1, 1]), torch.tensor([1.0, 2, 3, 4])
    )
    low, high = ensemble.interval(torch.zeros(1, 1, dtype=torch.int64), 2 / 3)
    # {0-1, 0-2, 10-3, 10-4} and {0+1, 0+2, 10+3, 10+4} at a = 1/3: at rank 1 of 0..3, and 2.
    assert (float(low), float(high)) == (pytest.approx(-1.0), pytest.approx(13.0))


def test_it_is_the_same_again():
    config = EnsembleConfig(CONFIG.network, num_folds=2, num_steps=5)
    x, y = data(60, 3)
    a, b = (fit_ensemble(x, y, 4, config) for _ in range(2))
    assert torch.equal(a(x), b(x))


@pytest.mark.parametrize(
    ("n", "values", "message"),
    [
        (5, None, "An ensemble of 3 networks needs at least 6 examples, got 5"),
        (20, 1.5, r"All 20 values are 1\.5"),
    ],
)
def test_what_cannot_be_learnt_from_is_refused(n, values, message):
    x, y = data(n, 0)
    with pytest.raises(DataError, match=message):
        fit_ensemble(x, y if values is None else torch.full((n,), values), 4, CONFIG)
