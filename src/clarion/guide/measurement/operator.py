"""The contract of a measurement's operator."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar, Self

import torch
from torch import Tensor

from clarion.base.errors import ClarionError


@dataclass(frozen=True, eq=False)
class Operator(ABC):
    """What a measurement shows of the data, A: (batch, *shape) -> (batch, *shape of y).

    It acts on each sample by itself, in data units. An operator implements `__call__`, and
    `adjoint` where it knows a cheaper way than automatic differentiation.
    """

    is_linear: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """What messages call it."""
        return type(self).__name__

    @abstractmethod
    def __call__(self, x: Tensor) -> Tensor:
        """A x."""

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        """Aᵀ v of a linear operator.

        Args:
            v: (batch, *shape of y).
            shape: of one sample of the data.
        """
        return self._differentiate(v.new_zeros(len(v), *shape), v)

    def vjp(self, x: Tensor, v: Tensor) -> Tensor:
        """vᵀ dA/dx at x, (batch, *shape); of a linear operator that is its adjoint."""
        return self.adjoint(v, x.shape[1:]) if self.is_linear else self._differentiate(x, v)

    def project(self, y: Tensor) -> Tensor:
        """A measurement without the entries that A always makes 0, (*shape of y).

        What stands there, such as the hidden part of a picture, is no noise of deviation sigma_y.
        """
        return y

    def to(self, device: torch.device | str) -> Self:
        """The same operator on another device."""
        moved = {
            field.name: value.to(device)
            for field in dataclasses.fields(self)
            if isinstance(value := getattr(self, field.name), Tensor)
        }
        return dataclasses.replace(self, **moved) if moved else self

    def check(self, shape: tuple[int, ...]) -> None:
        """Hold the adjoint against the operator: <A x, v> = <x, Aᵀ v> for random x and v.

        Args:
            shape: of one sample of the data.

        Raises:
            ClarionError: if they differ, as they also do where the operator is not linear.
        """
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(3, *shape, dtype=torch.float64, generator=generator)
        shown = self(x)
        v = torch.randn(shown.shape, dtype=torch.float64, generator=generator)
        left, right = (shown * v).flatten(1).sum(1), (x * self.adjoint(v, shape)).flatten(1).sum(1)
        # Rounding of sums of products of standard normal numbers.
        scale = max(1.0, float((shown * v).abs().sum()), float((x**2).sum()))
        if not (left - right).abs().max() <= 1e-10 * scale:
            raise ClarionError(
                f"{self.name} has another adjoint: <A x, v> is {float(left[0])} "
                f"and <x, Aᵀ v> is {float(right[0])}."
            )

    def _differentiate(self, x: Tensor, v: Tensor) -> Tensor:
        is_within = torch.is_grad_enabled() and (x.requires_grad or v.requires_grad)
        with torch.enable_grad():
            x = x if x.requires_grad else x.detach().requires_grad_()
            (product,) = torch.autograd.grad(self(x), x, v, create_graph=is_within)
        return product
