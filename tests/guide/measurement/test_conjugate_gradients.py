"""Conjugate gradients against a dense solution."""

import torch

from clarion.guide.measurement.conjugate_gradients import conjugate_gradients

GENERATOR = torch.Generator().manual_seed(0)
ROOT = torch.randn(4, 6, 6, dtype=torch.float64, generator=GENERATOR)
M = ROOT @ ROOT.mT + 0.5 * torch.eye(6, dtype=torch.float64)
B = torch.randn(4, 2, 3, dtype=torch.float64, generator=GENERATOR)


def multiply(x, matrices=M):
    return torch.einsum("bij,bj->bi", matrices, x.flatten(1)).reshape(x.shape)


def test_as_many_iterations_as_values_solve_each_system():
    expected = torch.linalg.solve(M, B.flatten(1)).reshape(B.shape)
    actual = conjugate_gradients(multiply, B, 12)
    torch.testing.assert_close(actual, expected, rtol=1e-10, atol=1e-10)


def test_a_sample_does_not_feel_the_others():
    b = torch.cat([B[:1], 0 * B[1:2], 1e6 * B[2:]])
    together = conjugate_gradients(multiply, b, 5)
    for i in range(4):
        alone = conjugate_gradients(lambda x, i=i: multiply(x, M[i : i + 1]), b[i : i + 1], 5)
        torch.testing.assert_close(together[i : i + 1], alone, rtol=1e-12, atol=0)
    assert (together[1] == 0).all()


def test_it_stops_when_all_are_solved():
    calls = []
    conjugate_gradients(lambda x: calls.append(1) or 3 * x, B, 50)
    assert len(calls) == 1


def test_a_sample_stops_where_the_matrix_is_not_positive():
    """Along an eigenvector of -1 there is no step; the part along that of 4 is solved before."""
    b = torch.tensor([[1.0, 0.0], [0.0, 1.0], [3.0, 0.5]], dtype=torch.float64)
    matrix = torch.diag(torch.tensor([4.0, -1.0], dtype=torch.float64))
    x = conjugate_gradients(lambda v: v @ matrix, b, 5, least=0.1)
    first = b[2].square().sum() / (b[2] @ matrix @ b[2])
    expected = torch.stack([b[0] / 4, torch.zeros(2, dtype=torch.float64), first * b[2]])
    torch.testing.assert_close(x, expected, rtol=1e-14, atol=0)


def test_eigenvalues_at_the_bound_are_followed():
    x = conjugate_gradients(lambda v: 0.01 * v, B, 3, least=0.01)
    torch.testing.assert_close(x, 100 * B, rtol=1e-12, atol=0)
