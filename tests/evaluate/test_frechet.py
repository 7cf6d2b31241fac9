"""The Fréchet distance against closed forms and an iterative square root."""

import mpmath
import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.evaluate import frechet_distance, sample_moments

DOUBLE = torch.float64


def random_covariance(dim, seed, rank=None):
    generator = torch.Generator().manual_seed(seed)
    root = torch.randn(dim, rank or dim, generator=generator, dtype=DOUBLE)
    return root @ root.mT / dim


def by_iteration(mean_a, cov_a, mean_b, cov_b):
    """The formula with the square root of A B by Denman & Beavers' iteration, in 40 digits.

    A B has the eigenvalues of A^(1/2) B A^(1/2), and its root the same trace. No decomposition.
    """
    with mpmath.workdps(40):
        a, b = mpmath.matrix(cov_a.tolist()), mpmath.matrix(cov_b.tolist())
        y, z = a * b, mpmath.eye(a.rows)
        for _ in range(30):
            y, z = (y + z**-1) / 2, (z + y**-1) / 2
        traces = [sum(m[i, i] for i in range(m.rows)) for m in (a, b, y)]
        shift = sum(
            (mpmath.mpf(p) - mpmath.mpf(q)) ** 2 for p, q in zip(mean_a, mean_b, strict=True)
        )
        return float(shift + traces[0] + traces[1] - 2 * traces[2])


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_it_is_the_formula(dim):
    """To rounding: 1e-13 of numbers of size dim."""
    mean_a, mean_b = torch.randn(2, dim, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    a, b = random_covariance(dim, 1), random_covariance(dim, 2)
    expected = by_iteration(mean_a.tolist(), a, mean_b.tolist(), b)
    assert frechet_distance(mean_a, a, mean_b, b) == pytest.approx(expected, rel=1e-12)


def test_one_dimension():
    """(m - n)² + (s - r)², the closed form."""
    for m, s, n, r in [(0.0, 1.0, 0.0, 1.0), (1.0, 2.0, -0.5, 0.25), (0.0, 3.0, 0.0, 0.0)]:
        expected = (m - n) ** 2 + (s - r) ** 2
        assert frechet_distance([m], [[s**2]], [n], [[r**2]]) == pytest.approx(expected, abs=1e-14)


def test_covariances_that_commute():
    """With common axes: the sum of (sqrt(a_i) - sqrt(b_i))² over the variances, some of them 0."""
    axes = torch.linalg.qr(random_covariance(6, 3)).Q
    a = torch.tensor([1.0, 0.3, 4.0, 0.0, 0.0, 2.0], dtype=DOUBLE)
    b = torch.tensor([1.0, 2.0, 0.5, 0.7, 0.0, 0.0], dtype=DOUBLE)
    expected = float((a.sqrt() - b.sqrt()).square().sum())
    zero = torch.zeros(6, dtype=DOUBLE)
    found = frechet_distance(zero, axes * a @ axes.mT, zero, axes * b @ axes.mT)
    assert found == pytest.approx(expected, rel=1e-13)


def test_lines_that_stand_at_an_angle():
    """Rank one: a uuᵀ and b vvᵀ have distance a + b - 2 sqrt(a b) |u.v|."""
    u = torch.tensor([1.0, 0.0, 0.0], dtype=DOUBLE)
    v = torch.tensor([0.6, 0.8, 0.0], dtype=DOUBLE)
    found = frechet_distance([0] * 3, 4 * torch.outer(u, u), [0] * 3, 9 * torch.outer(v, v))
    assert found == pytest.approx(4 + 9 - 2 * 6 * 0.6, rel=1e-13)


def test_it_is_symmetric_zero_for_equals_and_turns_with_the_axes():
    mean_a, mean_b = torch.randn(2, 8, generator=torch.Generator().manual_seed(0), dtype=DOUBLE)
    a, b = random_covariance(8, 1), random_covariance(8, 2, rank=3)
    there = frechet_distance(mean_a, a, mean_b, b)
    assert frechet_distance(mean_b, b, mean_a, a) == pytest.approx(there, rel=1e-12)
    turn = torch.linalg.qr(random_covariance(8, 4)).Q
    turned = frechet_distance(turn @ mean_a, turn @ a @ turn.mT, turn @ mean_b, turn @ b @ turn.mT)
    assert turned == pytest.approx(there, rel=1e-12)
    for covariance in (a, b):
        assert 0 <= frechet_distance(mean_a, covariance, mean_a, covariance) < 1e-12


def test_float32_statistics_are_taken_as_they_are():
    a, b = random_covariance(4, 1), random_covariance(4, 2)
    zero = torch.zeros(4)
    expected = frechet_distance(zero, a, zero, b)
    assert frechet_distance(zero, a.float(), zero, b.float()) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("n", [4, 12, 30])
def test_features_against_high_precision(n):
    """To 1e-6, and in fact to rounding, also where n samples leave most of 12 variances at 0.

    With A = XᵀX and B = YᵀY the overlap is the sum of the singular values of X Yᵀ, taken in 40
    digits from the features themselves.
    """
    a, b = torch.randn(2, n, 12, generator=torch.Generator().manual_seed(n), dtype=DOUBLE)
    b = 1.1 * b + 0.3
    with mpmath.workdps(40):

        def centred(rows):
            x = mpmath.matrix(rows.tolist())
            mean = [sum(x[i, j] for i in range(n)) / n for j in range(12)]
            for i in range(n):
                for j in range(12):
                    x[i, j] = (x[i, j] - mean[j]) / mpmath.sqrt(n - 1)
            return mean, x

        (mean_a, x), (mean_b, y) = centred(a), centred(b)
        overlap = sum(mpmath.svd_r(x * y.T, compute_uv=False))
        shift = sum((p - q) ** 2 for p, q in zip(mean_a, mean_b, strict=True))
        traces = sum(v**2 for v in [*x, *y])
        expected = float(shift + traces - 2 * overlap)
    found = frechet_distance(*sample_moments(a), *sample_moments(b))
    assert found == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.0], [[1.0]], [0.0, 0.0], [[1.0]]), r"mean_b must have shape \(1\)"),
        (([0.0], [[1.0, 0.0], [0.0, 1.0]], [0.0], [[1.0]]), r"cov_a must have shape \(1, 1\)"),
        (([0.0], [[1.0]], [0.0], [[-1.0]]), "cov_b must be positive semidefinite"),
        (([0.0], [[float("nan")]], [0.0], [[1.0]]), "cov_a must be finite"),
        (([0.0] * 2, [[1.0, 0.5], [0.0, 1.0]], [0.0] * 2, torch.eye(2)), "cov_a must be symmetric"),
    ],
)
def test_statistics_that_cannot_be(arguments, message):
    with pytest.raises(ClarionError, match=message):
        frechet_distance(*arguments)
