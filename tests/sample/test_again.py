"""Data drawn again: what is kept, and that the law of the data is."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.denoise.exact import GaussianDenoiser
from clarion.process.gaussian import EDM, VPLinear
from clarion.process.grids import Trailing
from clarion.process.tokens import Masking
from clarion.sample import sample
from clarion.sample.again import taken_back, times_from


@pytest.mark.parametrize("t", [0.2, 0.9])
def test_of_masks_the_share_t_is_lost(t: float) -> None:
    process, x0 = Masking(5), torch.arange(5).repeat(200, 4)
    x_t = taken_back(process, x0, t, range(200), seed=3)
    lost = x_t == process.mask
    assert (x_t[~lost] == x0[~lost]).all()
    share, n = float(lost.double().mean()), lost.numel()
    assert abs(share - t) < 5 * (t * (1 - t) / n) ** 0.5


def test_each_has_noise_of_its_own_number() -> None:
    process, x0 = EDM(), torch.zeros(4, 3)
    together = taken_back(process, x0, 0.5, [5, 6, 7, 8], seed=0)
    alone = taken_back(process, x0[:1], 0.5, [7], seed=0)
    torch.testing.assert_close(together[2:3], alone, rtol=0, atol=0)
    assert not torch.equal(taken_back(process, x0, 0.5, [5, 6, 7, 8], seed=1), together)


@pytest.mark.parametrize("process", [EDM(), VPLinear()])
@pytest.mark.parametrize("t", [0.3, 0.8])
def test_the_law_of_the_data_is_kept_at_any_time(process, t: float) -> None:
    """Gaussian data of a stated covariance, drawn again by the exact denoiser."""
    mean = torch.tensor([1.0, -2.0], dtype=torch.float64)
    covariance = torch.tensor([[2.0, 0.6], [0.6, 0.5]], dtype=torch.float64)
    denoiser = GaussianDenoiser(process, mean, covariance)
    n = 20_000
    noise = torch.randn(n, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    x0 = mean + noise @ torch.linalg.cholesky(covariance).mT
    times = times_from(Trailing()(process, 60), t)
    x_t = taken_back(process, x0, t, range(n), seed=1)
    again = sample(denoiser, (2,), n=n, times=times, start=x_t, dtype=torch.float64)
    error = 5 * (2 / n) ** 0.5 * 2  # of the largest variance, by five deviations
    torch.testing.assert_close(again.mean(0), mean, rtol=0, atol=error)
    torch.testing.assert_close(torch.cov(again.mT), covariance, rtol=0, atol=error)
    near = (again - x0).square().mean()
    far = 2 * covariance.diagonal().mean()  # of what is drawn independently
    assert near < far


def test_times_that_are_gone_through() -> None:
    times = torch.tensor([1.0, 0.75, 0.5, 0.25, 0.0], dtype=torch.float64)
    assert times_from(times, 0.6).tolist() == [0.6, 0.5, 0.25, 0.0]
    assert times_from(times, 0.5).tolist() == [0.5, 0.25, 0.0]
    assert times_from(times, 1.0).tolist() == times.tolist()
    for t in (0.0, 1.5, -1.0):
        with pytest.raises(ClarionError, match="start_time must lie above 0 and be at most 1"):
            times_from(times, t)
