"""The Fréchet distance between two Gaussians: what FID and its relatives compute on features.

    FD = |mean_a - mean_b|² + tr(A + B - 2 (A^(1/2) B A^(1/2))^(1/2)),

the squared 2-Wasserstein distance of N(mean_a, A) and N(mean_b, B).

Sources: Dowson & Landau 1982, doi 10.1016/0047-259X(82)90077-X; Heusel et al. 2017, arXiv
1706.08500, equation 6 (on features of pictures: FID).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from clarion.denoise.exact.normal import as_numbers, principal_axes, rounding_of


class Rooted:
    """A Gaussian with the square root of its covariance, which is taken once.

    Args:
        mean: (dim,).
        covariance: symmetric and positive semidefinite, (dim, dim).
        name: what messages call it: mean_NAME and cov_NAME.
        dim: that it must have; None for any.

    Raises:
        ClarionError: if the arguments do not fit each other or are no such numbers.
    """

    def __init__(self, mean: Any, covariance: Any, name: str = "a", dim: int | None = None) -> None:
        self.mean = as_numbers(f"mean_{name}", mean, (dim,))
        size = len(self.mean)
        given = as_numbers(f"cov_{name}", covariance, (size, size))
        variances, axes = principal_axes(f"cov_{name}", given, rounding_of(covariance))
        # What the decomposition makes of a variance of 0, some 1e-16, would have the root 1e-8.
        rounding = size * torch.finfo(torch.float64).eps * variances.max()
        deviations = torch.where(variances > rounding, variances, 0.0).sqrt()
        self.root: Tensor = (axes * deviations) @ axes.mT
        self.trace = float(variances.sum())

    def distance(self, other: Rooted) -> float:
        """The squared 2-Wasserstein distance; see `frechet_distance`."""
        overlap = float(torch.linalg.svdvals(self.root @ other.root).sum())
        shift = float((self.mean - other.mean).square().sum())
        distance = shift + self.trace + other.trace - 2 * overlap
        return max(0.0, distance)  # equal Gaussians may come out below by rounding


def frechet_distance(mean_a: Any, cov_a: Any, mean_b: Any, cov_b: Any) -> float:
    """The squared 2-Wasserstein distance of two Gaussians, in squared units of the features.

    The trace of (A^(1/2) B A^(1/2))^(1/2) is the sum of the singular values of A^(1/2) B^(1/2).
    Departure from the usual `sqrtm(A B)`: no product is formed whose root must be taken, and no
    matrix is decomposed that is not symmetric. So singular covariances (fewer samples than
    features) need no ridge and give no complex numbers, and for equal Gaussians what remains is
    rounding, some dim eps tr(A).

    Args:
        mean_a: (dim,).
        cov_a: A, symmetric and positive semidefinite, (dim, dim).
        mean_b: (dim,).
        cov_b: B, of the same shape.

    Raises:
        ClarionError: if the arguments do not fit each other or are no such numbers.

    Example:
        >>> frechet_distance([0.0], [[4.0]], [3.0], [[1.0]])  # 3² + (2 - 1)²
        10.0
    """
    a = Rooted(mean_a, cov_a, "a")
    return a.distance(Rooted(mean_b, cov_b, "b", len(a.mean)))
