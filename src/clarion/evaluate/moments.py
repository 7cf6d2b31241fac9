"""Mean and covariance of features, gathered batch by batch."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce

from torch import Tensor

from clarion.base.errors import ClarionError


@dataclass(frozen=True, eq=False)
class Moments:
    """The first two moments of some features, in float64; the features themselves are not kept.

    Args:
        n: number of features.
        mean: (dim,).
        scatter: sum of (x - mean)(x - mean)ᵀ, (dim, dim).
    """

    n: int
    mean: Tensor
    scatter: Tensor

    @staticmethod
    def of(features: Tensor) -> Moments:
        """The moments of features (n, dim), n at least 1.

        Raises:
            ClarionError: if they are of another shape, or not finite.
        """
        if features.ndim != 2 or not len(features):
            raise ClarionError(
                f"features must have shape (n, dim) with n at least 1, got {tuple(features.shape)}."
            )
        features = features.double()
        mean = features.mean(0)
        if not mean.isfinite().all():
            raise ClarionError("features must be finite, got NaN or infinity.")
        centred = features - mean
        return Moments(len(features), mean, centred.mT @ centred)

    def merged(self, other: Moments) -> Moments:
        """The moments of both taken together.

        scatter = scatter_a + scatter_b + (n_a n_b / n) (mean_b - mean_a)(mean_b - mean_a)ᵀ

        Source: Chan, Golub & LeVeque 1979, Stanford report STAN-CS-79-773, equation 2.1.
        """
        n = self.n + other.n
        shift = other.mean - self.mean
        scatter = self.scatter + other.scatter
        scatter.addr_(shift, shift, alpha=self.n * other.n / n)
        return Moments(n, self.mean + shift * (other.n / n), scatter)

    @property
    def covariance(self) -> Tensor:
        """The unbiased covariance, (dim, dim).

        Raises:
            ClarionError: if there are fewer than two features.
        """
        if self.n < 2:
            raise ClarionError(f"A covariance takes n at least 2, got n = {self.n}.")
        return self.scatter / (self.n - 1)


def merge(parts: list[Moments]) -> Moments:
    """The moments of all parts, at least one, taken together."""
    return reduce(Moments.merged, parts)


def sample_moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (dim,) and unbiased covariance (dim, dim) of features (n, dim), in float64.

    Raises:
        ClarionError: if there are fewer than two rows.
    """
    moments = Moments.of(features)
    return moments.mean, moments.covariance
