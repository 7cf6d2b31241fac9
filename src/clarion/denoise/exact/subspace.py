"""The exact denoiser of Gaussian data on a linear subspace."""

from __future__ import annotations

from typing import Any

import torch

from clarion.base.errors import ClarionError
from clarion.denoise.exact.gaussian import OneNormalDenoiser
from clarion.denoise.exact.normal import Normal, as_numbers, principal_axes, rounding_of
from clarion.process.gaussian import GaussianProcess


class SubspaceDenoiser(OneNormalDenoiser):
    """Exact denoiser of data x0 = mean + basis z, z ~ N(0, covariance), on a `rank`-dim subspace.

    E[x0 | x_t] = mean + B alpha S (alpha² S + sigma² I)⁻¹ Bᵀ (x_t - alpha mean)

    for basis B and covariance S: what lies across the subspace is noise and is removed. Nothing of
    size dim x dim is ever formed.

    Args:
        process: how the data was noised.
        basis: B, orthonormal columns, (dim, rank) with rank <= dim.
        mean: a point of the subspace, (dim,).
        covariance: S, of the coordinates z, symmetric and positive semidefinite, (rank, rank).

    Raises:
        ClarionError: if the arguments do not fit each other or are no such numbers.

    Source: Chen et al. 2023, arXiv 2302.07194, lemma 1 (score of data on a linear subspace).
    """

    def __init__(self, process: GaussianProcess, basis: Any, mean: Any, covariance: Any) -> None:
        columns = as_numbers("basis", basis, (None, None))
        dim, rank = columns.shape
        centre = as_numbers("mean", mean, (dim,))
        spread = as_numbers("covariance", covariance, (rank, rank))
        error = float((columns.mT @ columns - torch.eye(rank, dtype=torch.float64)).abs().max())
        if error > 100 * dim * max(rounding_of(basis), torch.finfo(torch.float64).eps):
            raise ClarionError(
                f"basis must have orthonormal columns; basisᵀ basis differs from the identity by "
                f"{error}. torch.linalg.qr(basis).Q spans the same subspace."
            )
        variances, directions = principal_axes("covariance", spread, rounding_of(covariance))
        super().__init__(process, Normal(centre, variances, columns @ directions))
