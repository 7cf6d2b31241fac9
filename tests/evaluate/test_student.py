"""Student's t against the incomplete beta function of mpmath."""

from __future__ import annotations

import mpmath
import pytest

from clarion.evaluate.student import quantile, two_sided_p


@pytest.mark.parametrize("df", [1, 2.5, 9, 17.3, 400])
@pytest.mark.parametrize("t", [0.0, 0.3, 2.0, -4.0, 12.0])
def test_tails(t: float, df: float) -> None:
    expected = float(mpmath.betainc(df / 2, 0.5, 0, df / (df + t * t), regularized=True))
    assert two_sided_p(t, df) == pytest.approx(expected, rel=1e-6)


def test_quantiles_of_the_tables() -> None:
    tabled = {1: 12.7062, 9: 2.26216, 10_000: 1.96020}
    for df, t in tabled.items():
        assert quantile(df) == pytest.approx(t, rel=1e-5)
