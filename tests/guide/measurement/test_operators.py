"""Operators against dense sums written by hand, and their adjoints."""

import math
from dataclasses import dataclass

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.guide.measurement.operator import Operator
from clarion.guide.measurement.operators import (
    Blur,
    Downsample,
    FourierMask,
    Mask,
    Matrix,
    NonLinear,
)
from clarion.run.serialize import parse_kind

GENERATOR = torch.Generator().manual_seed(0)
X = torch.randn(2, 3, 8, 6, dtype=torch.float64, generator=GENERATOR)
A = torch.randn(2, 5, dtype=torch.float64, generator=GENERATOR)
HALF = torch.arange(48).reshape(8, 6) % 2


@dataclass(frozen=True, eq=False)
class ByAutograd(Operator):
    """A linear operator without a written adjoint."""

    def __call__(self, x):
        return 2 * x[:, 1:] - x[:, :-1]


LINEAR = [
    (Mask(HALF), (3, 8, 6)),
    (Downsample(2), (3, 8, 6)),
    (Downsample(3), (12,)),
    (Blur(1.3), (3, 8, 6)),
    (Blur(5.0, "reflected"), (3, 8, 6)),
    (Blur(0.7, "reflected"), (9,)),
    (FourierMask(0.4, 1), (3, 8, 6)),
    (FourierMask(0.4), (7,)),
    (Matrix(A), (5,)),
    (ByAutograd(), (4, 5)),
]


@pytest.mark.parametrize(("operator", "shape"), LINEAR, ids=lambda v: type(v).__name__)
def test_adjoint_is_that_of_the_operator(operator, shape):
    operator.check(shape)
    # The columns of A and those of its adjoint, one by one.
    size = math.prod(shape)
    columns = operator(torch.eye(size, dtype=torch.float64).reshape(size, *shape))
    basis = torch.eye(columns[0].numel(), dtype=torch.float64).reshape(-1, *columns.shape[1:])
    rows = operator.adjoint(basis, shape).reshape(len(basis), size)
    torch.testing.assert_close(rows, columns.flatten(1).mT, rtol=0, atol=1e-13)


def test_a_wrong_adjoint_is_refused_by_name():
    class Transposed(Matrix):
        def adjoint(self, v, shape):
            return 1.001 * super().adjoint(v, shape)

    with pytest.raises(ClarionError, match=r"Transposed has another adjoint: <A x, v> is -?\d"):
        Transposed(A).check((5,))


def test_what_is_not_linear_fails_the_check():
    with pytest.raises(ClarionError, match="#<lambda> has another adjoint"):
        NonLinear(lambda x: x + x**2).check((5,))


def test_a_derivative_of_what_is_not_linear_is_taken_where_it_is_asked_for():
    v = torch.ones_like(X)
    torch.testing.assert_close(NonLinear(lambda x: x**3).vjp(X, v), 3 * X**2, rtol=1e-14, atol=0)


def test_downsampling_takes_means_of_blocks():
    y = Downsample(2)(X)
    assert y.shape == (2, 3, 4, 3)
    assert float(y[1, 2, 3, 0] - X[1, 2, 6:8, 0:2].mean()) == pytest.approx(0, abs=1e-15)


def test_a_circular_blur_is_a_sum_over_neighbours():
    x = X[:, 0, :, 0]
    weights = [math.exp(-(j**2) / 2) for j in range(-4, 5)]
    expected = sum(w * x.roll(j, 1) for j, w in enumerate(weights, -4)) / sum(weights)
    torch.testing.assert_close(Blur(1.0)(x), expected, rtol=0, atol=1e-14)


def test_a_reflected_blur_is_a_circular_one_of_the_mirrored_data():
    x = X[:, 0, :, 0]
    mirrored = Blur(1.5)(torch.cat([x, x.flip(1)], 1))
    torch.testing.assert_close(Blur(1.5, "reflected")(x), mirrored[:, :8], rtol=0, atol=1e-14)


def test_frequencies_are_those_of_the_sum_over_waves():
    x = X[:1, 0, :, 0]
    y = FourierMask(1.0)(x)
    k = torch.arange(8, dtype=torch.float64)
    angle = 2 * math.pi * torch.outer(k, k) / 8
    expected = torch.stack([x @ angle.cos(), -x @ angle.sin()], -1) / math.sqrt(8)
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-13)


def test_a_part_of_the_frequencies_is_shown_and_the_mean_always():
    shown = FourierMask(0.25, 3)(X).abs().sum(-1) > 0
    assert shown[:, :, 0, 0].all()
    assert torch.equal(shown[0, 0], shown[1, 2])
    assert 0 < int(shown[0, 0].sum()) < 24
    assert not torch.equal(shown, FourierMask(0.25, 4)(X).abs().sum(-1) > 0)


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda: Mask(0.5 * HALF), "mask must hold nothing but 0 and 1"),
        (lambda: Mask(HALF[:4])(X), r"mask has shape \(4, 6\), and a sample \(3, 8, 6\)"),
        (lambda: Mask(torch.ones(2, 3, 8, 6))(X), r"mask has shape \(2, 3, 8, 6\)"),
        (lambda: Downsample(0), "factor must be a whole number, at least 1, got 0"),
        (lambda: Downsample(2.5), "factor must be a whole number, at least 1, got 2"),
        (lambda: Blur(2.0, "refl"), "boundary 'refl'.* 'reflected'"),
        (lambda: Mask([1, 0]), r"mask must be a tensor, got \[1, 0\]"),
        (lambda: Downsample(4)(X), "factor 4 of downsample must divide"),
        (lambda: Blur(0.0), r"sigma of blur must be a finite number above 0, got 0\.0"),
        (lambda: FourierMask(0.0), r"fraction must be a finite number above 0 and at most 1"),
        (lambda: Matrix(A[0]), r"A must have shape \(dim_y, dim\), got \(5,\)"),
        (lambda: Matrix(A)(X), r"A has shape \(2, 5\), and a sample \(3, 8, 6\)"),
    ],
)
def test_what_does_not_fit_is_refused(act, message):
    with pytest.raises(ClarionError, match=message):
        act()


def test_operators_are_read_as_they_are_typed():
    blur = parse_kind(Operator, "blur:sigma=2,boundary=reflected")
    assert isinstance(blur, Blur)
    assert (blur.sigma, blur.boundary) == (2.0, "reflected")
    assert parse_kind(Operator, "fourier:0.3:7").seed == 7
    mask = parse_kind(Operator, "mask:known", {torch.Tensor: {"known": HALF}.__getitem__})
    assert torch.equal(mask.mask, HALF)
    with pytest.raises(ClarionError, match="boundary must be one of 'circular', 'reflected'"):
        parse_kind(Operator, "blur:2:mirror")


@pytest.mark.parametrize("operator", [Blur(1.1), Blur(1.1, "reflected"), FourierMask(0.3, 7)])
def test_constants_are_made_once_for_each_type(operator, monkeypatch):
    """They are copied from the host, for which a device is waited for."""
    made, arange, rand = [], torch.arange, torch.rand
    monkeypatch.setattr(torch, "arange", lambda *a, **k: made.append(a) or arange(*a, **k))
    monkeypatch.setattr(torch, "rand", lambda *a, **k: made.append(a) or rand(*a, **k))
    x = torch.ones(2, 1, 11, 11)
    operator.adjoint(operator(x), x.shape[1:])
    assert made
    made.clear()
    operator.adjoint(operator(x + 1), x.shape[1:])
    assert not made
    assert operator(x.double()).dtype == torch.float64
