"""Pictures by number: decoded into memory, or on the fly."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarion.base.condition import ClassEntry, Condition, ConditionSpec, FieldEntry
from clarion.base.errors import DataError
from clarion.base.shapes import expand_like
from clarion.domains.image.decoding import BadPictureError, PictureRule, Piece
from clarion.domains.image.sources import PictureSource
from clarion.run.columns import Column, batch_of

LABEL = "label"
SLICE = 16  # pictures a thread takes at a time


class SkippedPicture(NamedTuple):
    """A picture that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures of one shape, and what is known of them.

    Args:
        source: where the pictures come from.
        rule: how each is brought to its channels and size.
        shape: (channels, height, width).
        positions: (n,) int64, the numbers within `source` of the pictures that are used.
        conditions: name -> values for all pictures; "label" are the classes.
        pixels: (n, channels, height, width) uint8, or None if pictures are decoded on the fly.
        skipped: the pictures left out.
        unused: columns of the source from which no condition is read.
        mirror: learn from half of the pictures, and of the fields that are known of them, mirrored.
        device: where the batches go.
    """

    source: PictureSource
    rule: PictureRule
    shape: tuple[int, int, int]
    positions: NDArray[np.int64]
    conditions: Mapping[str, Column]
    pixels: Tensor | None
    skipped: tuple[SkippedPicture, ...] = ()
    unused: tuple[str, ...] = ()
    mirror: bool = False
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def labels(self) -> Tensor | None:
        """(n,) int64, -1 where there is none; None if there are no labels at all."""
        column = self.conditions.get(LABEL)
        if column is None:
            return None
        return torch.where(column.present, column.batch(torch.arange(len(self))), -1)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Of the labels; empty if there are none."""
        entry = self.condition_spec.get(LABEL)
        return entry.class_names if isinstance(entry, ClassEntry) else ()

    @property
    def condition_spec(self) -> ConditionSpec:
        """What is known of the pictures."""
        return {name: column.entry for name, column in self.conditions.items()}

    @property
    def is_in_memory(self) -> bool:
        return self.pixels is not None

    @property
    def num_bytes(self) -> int:
        """Size of all pictures, decoded."""
        return len(self) * int(np.prod(self.shape))

    def name(self, index: int) -> str:
        """Where picture `index` came from: a path, or a file and a row."""
        return self.source.name(int(self.positions[index]))

    def batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """Pictures by number.

        Args:
            indices: (n,) int64, each in 0..len - 1, in any order, on any device.

        Returns:
            Pictures (n, channels, height, width) uint8, and what is known of each.

        Raises:
            DataError: if a picture changed since the set was opened.
        """
        wanted = indices.to(self.device)
        condition = batch_of(self.conditions, indices)
        if self.pixels is not None:
            return self.pixels.index_select(0, wanted), condition
        return self._decode(indices.cpu().numpy()).to(self.device), condition

    def training_batch(self, indices: Tensor) -> tuple[Tensor, Condition]:
        """Pictures by number, half of them mirrored if so asked."""
        pictures, condition = self.batch(indices)
        if not self.mirror:
            return pictures, condition
        is_mirrored = torch.rand(len(pictures), device=pictures.device) < 0.5

        def mirrored(maps: Tensor) -> Tensor:
            return torch.where(expand_like(is_mirrored, maps), maps.flip(-1), maps)

        fields = [n for n, entry in self.condition_spec.items() if isinstance(entry, FieldEntry)]
        values = dict(condition.values)
        values |= {name: mirrored(values[name]) for name in fields}
        return mirrored(pictures), replace(condition, values=values)

    def to(self, device: torch.device | str) -> ImageSet:
        """The same set with its batches, and what it keeps in memory, on another device."""
        return replace(
            self,
            conditions={name: column.to(device) for name, column in self.conditions.items()},
            pixels=None if self.pixels is None else self.pixels.to(device),
            device=torch.device(device),
        )

    def _decode(self, indices: NDArray[np.int64]) -> Tensor:
        out = np.empty((len(indices), *self.shape), np.uint8)
        positions = self.positions[indices].tolist()
        with ThreadPoolExecutor(num_threads()) as pool:
            problems = decode_into(out, self.source.fetch(positions), self.rule, self.shape, pool)
        for position, problem in zip(positions, problems, strict=True):
            if problem is not None:
                raise DataError(
                    f"{self.source.name(position)} changed since the data were opened: {problem}."
                )
        return torch.from_numpy(out)


@dataclass(frozen=True)
class OtherShape:
    """A picture that is sound but of another shape than the rest."""

    channels: int
    height: int
    width: int

    def __str__(self) -> str:
        return f"it is {self.width}x{self.height} with {self.channels} channels"


def num_threads() -> int:
    """How many threads decode: as many as this process has cores."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def decode_into(
    out: NDArray[np.uint8] | None,
    pieces: Sequence[Piece],
    rule: PictureRule,
    shape: tuple[int, int, int],
    pool: ThreadPoolExecutor,
) -> list[str | OtherShape | None]:
    """Decode pictures in several threads.

    Args:
        out: (n, *shape) where the pictures go, or None only to see whether they can be decoded.
        pieces: n pictures, encoded.
        rule: channels and size.
        shape: the shape they must have, (channels, height, width).

    Returns:
        For each picture: None if all is well, or what is wrong with it.
    """

    def decode_slice(start: int) -> list[str | OtherShape | None]:
        results: list[str | OtherShape | None] = []
        for number, piece in enumerate(pieces[start : start + SLICE], start):
            try:
                pixels = rule.read(piece).transpose(2, 0, 1)
            except BadPictureError as error:
                results.append(str(error))
                continue
            is_right = pixels.shape == shape
            results.append(None if is_right else OtherShape(*pixels.shape))
            if is_right and out is not None:
                out[number] = pixels
        return results

    slices = pool.map(decode_slice, range(0, len(pieces), SLICE))
    return [result for results in slices for result in results]
