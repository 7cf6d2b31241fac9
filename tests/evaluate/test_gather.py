"""What is gathered of features is what they say at once."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import DataError
from clarion.evaluate import gather as module
from clarion.evaluate.gather import Gathered, gather
from clarion.evaluate.moments import merge

X = torch.randn(103, 4, generator=torch.Generator().manual_seed(0))


def gathered(x: torch.Tensor, keep: int = 50, with_moments: bool = True) -> Gathered:
    seen = []
    found = gather(
        len(x),
        lambda rows: x[rows],
        seed=3,
        keep=keep,
        with_moments=with_moments,
        batch_size=4,
        on_progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (len(x), len(x))
    return found


def test_moments_of_all_and_features_of_some(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CHUNK", 7)
    found = gathered(X)
    whole = merge(found.moments)
    assert (whole.n, len(found.moments)) == (103, 10)
    torch.testing.assert_close(whole.mean, X.double().mean(0))
    torch.testing.assert_close(whole.covariance, X.double().mT.cov())
    assert [len(part) for part in found.kept] == [5] * 10
    assert torch.cat(found.kept).equal(X[torch.cat(found.numbers)])
    assert sorted(torch.cat(gathered(X, keep=1000).numbers).tolist()) == list(range(103))
    assert gathered(X, with_moments=False).moments == []


def test_features_that_are_no_numbers_are_named() -> None:
    bad = X.clone()
    bad[17, 2] = float("nan")
    with pytest.raises(DataError, match=r"number 17 are not finite \(and 0 more"):
        gathered(bad)


def test_too_many_for_a_covariance() -> None:
    wide = torch.zeros(20, 5000)
    with pytest.raises(DataError, match="at most 4096 features, got 5000"):
        gathered(wide)
    assert gathered(wide, with_moments=False).n == 20
