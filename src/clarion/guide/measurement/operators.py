"""Masks, blurs, coarser grids and the like; see `OPERATORS`.

Spatial axes are all but the channels; of data that is a plain vector, its only axis.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias, get_args

import torch
from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.base.options import check_choice, check_number, check_tensor, check_whole
from clarion.guide.measurement.operator import Operator
from clarion.guide.trial import name_of

Boundary: TypeAlias = Literal["circular", "reflected"]

OperatorFunction: TypeAlias = Callable[[Tensor], Tensor]
"""(batch, *shape) in data units -> (batch, *shape of y), each sample by itself."""


@dataclass(frozen=True, eq=False)
class Mask(Operator):
    """Shows some values and puts 0 for the others.

    Args:
        mask: 1 where the data is shown, else 0; of one sample's shape, or broadcast to it.
    """

    mask: Tensor = field(metadata={"form": "FILE"})

    def __post_init__(self) -> None:
        check_tensor("mask", self.mask)
        if not ((self.mask == 0) | (self.mask == 1)).all():
            raise ClarionError("mask must hold nothing but 0 and 1.")

    def __call__(self, x: Tensor) -> Tensor:
        if not _broadcasts(self.mask.shape, x.shape[1:]):
            raise ClarionError(
                f"mask has shape {tuple(self.mask.shape)}, and a sample {tuple(x.shape[1:])}."
            )
        return x * self.mask.to(x)

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        return v * self.mask.to(v)

    def project(self, y: Tensor) -> Tensor:
        return torch.where(self.mask == 1, y, 0.0)


@dataclass(frozen=True, eq=False)
class Downsample(Operator):
    """The means of blocks of `factor` values along each spatial axis.

    Args:
        factor: at least 1; it must divide the spatial sizes.
    """

    factor: int

    def __post_init__(self) -> None:
        check_whole("factor", self.factor, 1)

    def __call__(self, x: Tensor) -> Tensor:
        for axis in spatial_axes(x.shape[1:]):
            if x.shape[axis] % self.factor:
                raise ClarionError(
                    f"factor {self.factor} of downsample must divide the spatial sizes, "
                    f"got a sample of shape {tuple(x.shape[1:])}."
                )
            x = x.unflatten(axis, (-1, self.factor)).mean(axis + 1)
        return x

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        for axis in spatial_axes(shape):
            v = v.repeat_interleave(self.factor, axis) / self.factor
        return v


@dataclass(frozen=True, eq=False)
class Blur(Operator):
    """A Gaussian blur along each spatial axis. It is its own adjoint and keeps the mean.

    Args:
        sigma: standard deviation of the kernel in pixels, above 0; it is cut at 4 of them.
        boundary: what lies beyond the edge: the other end, or the data mirrored at the edge.
    """

    sigma: float
    boundary: Boundary = "circular"

    def __post_init__(self) -> None:
        check_number("sigma of blur", self.sigma, 0, excludes_low=True)
        check_choice("boundary", self.boundary, get_args(Boundary))

    def __call__(self, x: Tensor) -> Tensor:
        for axis in spatial_axes(x.shape[1:]):
            matrix = _blurring(self.sigma, self.boundary, x.shape[axis], x.dtype, x.device)
            x = (x.movedim(axis, -1) @ matrix).movedim(-1, axis)
        return x

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        return self(v)


@dataclass(frozen=True, eq=False)
class FourierMask(Operator):
    """A random part of the spatial frequencies, the same ones of each channel.

    They are those of the unitary discrete Fourier transform, real and imaginary parts along a last
    axis of 2, with 0 for what is not shown. The mean is always shown.

    Args:
        fraction: probability in (0, 1] with which a frequency is shown.
        seed: of the choice.
    """

    fraction: float
    seed: int = 0

    def __post_init__(self) -> None:
        check_number("fraction", self.fraction, 0, 1, excludes_low=True)
        check_whole("seed", self.seed, 0)

    def __call__(self, x: Tensor) -> Tensor:
        frequencies = torch.fft.fftn(x, dim=spatial_axes(x.shape[1:]), norm="ortho")
        return torch.view_as_real(frequencies * self._shown(x.shape[1:], x))

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        shown = torch.view_as_complex(v.contiguous()) * self._shown(shape, v)
        return torch.fft.ifftn(shown, dim=spatial_axes(shape), norm="ortho").real

    def project(self, y: Tensor) -> Tensor:
        return y * self._shown(y.shape[:-1], y).unsqueeze(-1)

    def _shown(self, shape: tuple[int, ...], like: Tensor) -> Tensor:
        sizes = tuple(shape[axis - 1] for axis in spatial_axes(shape))
        return _shown_frequencies(self.fraction, self.seed, sizes, like.dtype, like.device)


@dataclass(frozen=True, eq=False)
class Matrix(Operator):
    """A matrix on data that is a vector.

    Args:
        A: (dim_y, dim).
    """

    A: Tensor

    def __post_init__(self) -> None:
        check_tensor("A", self.A)
        if self.A.ndim != 2:
            raise ClarionError(f"A must have shape (dim_y, dim), got {tuple(self.A.shape)}.")

    def __call__(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.A.shape[1:]:
            raise ClarionError(
                f"A has shape {tuple(self.A.shape)}, and a sample {tuple(x.shape[1:])}."
            )
        return x @ self.A.to(x).mT

    def adjoint(self, v: Tensor, shape: tuple[int, ...]) -> Tensor:
        return v @ self.A.to(v)


@dataclass(frozen=True, eq=False)
class NonLinear(Operator):
    """Any differentiable function, for methods that do not ask for a linear one.

    Args:
        fn: see `OperatorFunction`.
    """

    is_linear: ClassVar[bool] = False

    fn: OperatorFunction = field(metadata={"form": "FILE.py#FUNCTION"})

    @property
    def name(self) -> str:
        return name_of(self.fn)

    def __call__(self, x: Tensor) -> Tensor:
        return self.fn(x)


# What follows is made once for each type and device: rules ask for it many times in every step, and
# a copy makes the device wait.


@lru_cache(maxsize=16)
def _blurring(
    sigma: float, boundary: str, size: int, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """Symmetric (size, size): the kernel round each position, folded at the edges."""
    radius = math.ceil(4 * sigma)
    offset = torch.arange(-radius, radius + 1)
    kernel = torch.exp(-((offset.double() / sigma) ** 2) / 2)
    kernel = (kernel / kernel.sum()).expand(size, -1)
    index = torch.arange(size).unsqueeze(1) + offset
    if boundary == "circular":
        index = index % size
    else:  # mirrored between the last value and its copy, so with a period of 2 size
        index = index % (2 * size)
        index = torch.minimum(index, 2 * size - 1 - index)
    matrix = torch.zeros(size, size, dtype=torch.float64).scatter_add_(1, index, kernel)
    return matrix.to(device, dtype)


@lru_cache(maxsize=16)
def _shown_frequencies(
    fraction: float, seed: int, sizes: tuple[int, ...], dtype: torch.dtype, device: torch.device
) -> Tensor:
    """1 where a frequency is shown, else 0, (*sizes)."""
    generator = torch.Generator().manual_seed(seed)
    shown = torch.rand(sizes, dtype=torch.float64, generator=generator) < fraction
    shown[(0,) * len(sizes)] = True
    return shown.to(device, dtype)


def spatial_axes(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The spatial axes of a batch of samples of this shape, counted with the batch."""
    return tuple(range(2, len(shape) + 1)) or (1,)


def _broadcasts(small: tuple[int, ...], large: tuple[int, ...]) -> bool:
    try:
        return torch.broadcast_shapes(small, large) == large
    except RuntimeError:
        return False


OPERATORS: NameTable[type[Operator]] = NameTable(
    "operator",
    {
        "mask": Mask,
        "downsample": Downsample,
        "blur": Blur,
        "fourier": FourierMask,
        "function": NonLinear,
    },
)
"""Name -> class of the operators that can be typed; masks and functions are read from files."""
