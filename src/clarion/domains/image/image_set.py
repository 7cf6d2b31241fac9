"""Pictures by number: decoded into memory, or on the fly."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clarion.base.condition import ClassEntry, Condition, ConditionSpec
from clarion.base.errors import DataError
from clarion.domains.image.decoding import BadPictureError, PictureRule, Piece
from clarion.domains.image.sources import PictureSource

SLICE = 16  # pictures a thread takes at a time


class SkippedPicture(NamedTuple):
    """A picture that was left out, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class ImageSet:
    """Pictures of one shape, and labels where there are any.

    Args:
        source: where the pictures come from.
        rule: how each is brought to its channels and size.
        shape: (channels, height, width).
        positions: (n,) int64, the numbers within `source` of the pictures that are used.
        labels: (n,) int64 or None.
        class_names: one name for each class; empty if there are no labels.
        pixels: (n, channels, height, width) uint8, or None if pictures are decoded on the fly.
        skipped: the pictures left out.
        device: where the batches go.
    """

    source: PictureSource
    rule: PictureRule
    shape: tuple[int, int, int]
    positions: NDArray[np.int64]
    labels: Tensor | None
    class_names: tuple[str, ...]
    pixels: Tensor | None
    skipped: tuple[SkippedPicture, ...] = ()
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __len__(self) -> int:
        return len(self.positions)

    @property
    def num_classes(self) -> int:
        """0 if the pictures have no labels."""
        return len(self.class_names)

    @property
    def condition_spec(self) -> ConditionSpec:
        """The label of each picture, if there are any."""
        if self.labels is None:
            return {}
        return {"label": ClassEntry(self.num_classes, self.class_names)}

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
        labels = {} if self.labels is None else {"label": self.labels.index_select(0, wanted)}
        present = {name: torch.ones_like(wanted, dtype=torch.bool) for name in labels}
        condition = Condition(labels, present)
        if self.pixels is not None:
            return self.pixels.index_select(0, wanted), condition
        return self._decode(indices.cpu().numpy()).to(self.device), condition

    def to(self, device: torch.device | str) -> ImageSet:
        """The same set with its batches, and what it keeps in memory, on another device."""
        return ImageSet(
            self.source,
            self.rule,
            self.shape,
            self.positions,
            None if self.labels is None else self.labels.to(device),
            self.class_names,
            None if self.pixels is None else self.pixels.to(device),
            self.skipped,
            torch.device(device),
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
