"""What all rules share that steer by a measurement."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import ClassVar, Self, TypeAlias

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.options import check_number, check_tensor, check_whole
from clarion.base.shapes import are_finite, expand_like
from clarion.denoise.denoiser import Denoiser, Visit
from clarion.denoise.estimate import Estimate
from clarion.guide.measurement.conjugate_gradients import conjugate_gradients
from clarion.guide.measurement.operator import Operator
from clarion.guide.rule import Guidance, SampleSpace
from clarion.guide.trial import try_gradient, try_values
from clarion.guide.vjp import estimate_with_vjp

Map: TypeAlias = Callable[[Tensor], Tensor]
"""A linear map of each sample's values, of the shape that it keeps."""

FAR = 1e3
"""Model units, in which data varies by about 1, that no sound step moves an estimate by."""


@dataclass(frozen=True, eq=False)
class Measured(Guidance):
    """Steers to samples of p(x0 | y), y = A(x0) + sigma_y noise.

    p(y | x_t) is taken to be N(y; A(D), S), with a covariance S that each rule chooses; from its
    gradient at fixed S,

        mean = D + C Aᵀ S⁻¹ (y - A(D)),        C = (sigma² / alpha) dD/dx_t,

    where C is the covariance of x0 given x_t (Meng et al. 2021, arXiv 2111.04726, theorem 1), and
    Aᵀ the transposed derivative at D where A is not linear. A rule implements `solve`.

    Args:
        y: what was measured, in the units of the operator, without a batch axis.
        operator: A, on data units.
        sigma_y: standard deviation of the noise of the measurement, above 0.
    """

    needs_linear: ClassVar[bool] = True
    """Whether the operator must be linear."""

    y: Tensor
    operator: Operator
    sigma_y: float

    def __post_init__(self) -> None:
        super().__post_init__()
        name = type(self).__name__
        check_number("sigma_y", self.sigma_y, 0, excludes_low=True)
        check_tensor(f"y of {name}", self.y)
        if not isinstance(self.operator, Operator):
            raise ClarionError(
                f"operator of {name} must be an Operator such as Downsample(4), got "
                f"{self.operator!r}; NonLinear takes a function."
            )
        if not (self.y.is_floating_point() and self.y.isfinite().all()):
            raise ClarionError(f"y of {name} must be finite numbers, of a floating-point type.")
        if self.needs_linear and not self.operator.is_linear:
            raise ClarionError(
                f"{name} needs a linear operator, got {self.operator.name}; DPS takes any."
            )

    @abstractmethod
    def solve(self, residual: Tensor, mean: Tensor, level: Tensor, covariance: Map) -> Tensor:
        """S⁻¹ (y - A(D)), (batch, *shape of y).

        Args:
            residual: y - A(D), (batch, *shape of y).
            mean: D, (batch, *shape).
            level: noise levels s, (batch,).
            covariance: v (batch, *shape) -> C v.
        """

    def bind(self, space: SampleSpace) -> Self:
        operator = self.operator.to(space.device)
        try_operator(operator, space)
        if operator.is_linear:
            self.operator.to("cpu").check(space.shape)
        y = self.y.to(space.device)
        offset = operator(space.decode(y.new_zeros(1, *space.shape)))
        if offset.shape[1:] != self.y.shape:
            raise ClarionError(
                f"y must have shape {tuple(offset.shape[1:])}, which is what "
                f"{operator.name} makes of samples of shape {space.shape}; "
                f"got {tuple(self.y.shape)}."
            )
        y = operator.project(y)
        if space.codec is None:
            return replace(self, y=y, operator=operator)
        return replace(self, y=y - offset[0], operator=InModelUnits(operator, space, offset[0]))

    def steer(
        self,
        denoiser: Denoiser,
        x_t: Tensor,
        t: Tensor,
        condition: Condition | None,
        visit: Visit | None,
    ) -> Estimate:
        estimate, vjp = estimate_with_vjp(denoiser, x_t, t, condition)
        alpha, sigma = denoiser.process.alpha(t), denoiser.process.sigma(t)
        scale = expand_like(sigma**2 / alpha, x_t)

        def covariance(v: Tensor) -> Tensor:
            return scale * vjp(v)

        mean = estimate.mean
        residual = self.y.to(mean) - self.operator(mean)
        weighted = self.solve(residual, mean, sigma / alpha, covariance)
        shift = covariance(self.operator.vjp(mean, weighted))
        if visit is not None:
            fault = (
                f"steering by the measurement threw the estimate out of all range, as where steps "
                f"are too long for sigma_y {self.sigma_y:g} and the operator {self.operator.name}"
            )
            visit.note(fault, are_finite(mean) & ~(shift.abs() < FAR).flatten(1).all(1))
        return Estimate(mean + shift)


def try_operator(operator: Operator, space: SampleSpace) -> None:
    """Try an operator on two random samples.

    Raises:
        ClarionError: if it fails, is not finite, is random, lets a sample depend on the other, or
            has no gradient by which the rules could steer.
    """
    what = f"operator {operator.name}"

    def of_samples(x0: Tensor, condition: Condition | None) -> Tensor:
        return operator(space.decode(x0))

    if not try_values(what, of_samples, space).isfinite().all():
        raise ClarionError(f"The {what} must be finite, got infinity of a random sample.")
    try_gradient(what, of_samples, space, "A measurement steers by the gradient of its operator.")


@dataclass(frozen=True, eq=False)
class MatchedCovariance(Measured):
    """S = A C' Aᵀ + sigma_y² I, for a linear operator and a covariance C' that each rule chooses.

    Args:
        num_iterations: at most, of conjugate gradients; as many as y has values solve the system.
    """

    num_iterations: int = 10

    def __post_init__(self) -> None:
        super().__post_init__()
        check_whole("num_iterations", self.num_iterations, 1)

    @abstractmethod
    def spread(self, v: Tensor, level: Tensor, covariance: Map) -> Tensor:
        """C' v, (batch, *shape); see `solve`."""

    def solve(self, residual: Tensor, mean: Tensor, level: Tensor, covariance: Map) -> Tensor:
        def multiply(u: Tensor) -> Tensor:
            v = self.operator.adjoint(u, mean.shape[1:])
            return self.operator(self.spread(v, level, covariance)) + self.sigma_y**2 * u

        return conjugate_gradients(multiply, residual, self.num_iterations, self.sigma_y**2)


@dataclass(frozen=True, eq=False)
class InModelUnits(Operator):
    """An operator on data units, as one on model units without its value at 0.

    Decoding multiplies each value by a number and shifts it; what is linear stays so.

    Args:
        operator: on data units.
        space: of the samples.
        offset: what the operator makes of the data that the model writes as 0.
    """

    operator: Operator
    space: SampleSpace
    offset: Tensor

    @property
    def name(self) -> str:
        return self.operator.name

    @property
    def is_linear(self) -> bool:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self.operator.is_linear

    def __call__(self, x: Tensor) -> Tensor:
        return self.operator(self.space.decode(x)) - self.offset.to(x)

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        product = self.operator.adjoint(v, shape)
        return self.space.decode(product) - self.space.decode(torch.zeros_like(product))
