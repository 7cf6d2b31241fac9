"""Read a whole source once: check every picture, and keep all in memory if they fit."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from types import MappingProxyType

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.condition import ConditionSpec
from clarion.base.errors import DataError
from clarion.domains.image.decoding import BadPictureError, PictureRule
from clarion.domains.image.image_set import (
    LABEL,
    ImageSet,
    OtherShape,
    SkippedPicture,
    decode_into,
    num_threads,
)
from clarion.domains.image.labels import read_labels
from clarion.domains.image.sources import PictureSource
from clarion.run.columns import Column, ColumnReader, read_columns
from clarion.run.examples import OnProgress

CHUNK = 256  # pictures fetched at a time, which bounds the encoded bytes held
NAMED = 5  # bad pictures named in a message; the rest are counted


def read_image_set(
    source: PictureSource,
    rule: PictureRule,
    *,
    class_names: tuple[str, ...] = (),
    requests: Mapping[str, ColumnReader] = MappingProxyType({}),
    spec: ConditionSpec | None = None,
    skip_bad: bool = False,
    memory_limit_bytes: int = 4 * 2**30,
    on_progress: OnProgress | None = None,
) -> ImageSet:
    """Decode every picture of a source once, into memory if they fit.

    Args:
        source: where the pictures come from.
        rule: how each is brought to its channels and size.
        class_names: names of the classes in the order of their numbers; () for those of the data.
        requests: name -> reader of the conditions that are read from columns.
        spec: of the data to train on; None fits one on these.
        skip_bad: leave out pictures that cannot be decoded.
        memory_limit_bytes: sets up to this size are kept in memory.
        on_progress: called with (pictures done, pictures in all).

    Raises:
        DataError: for bad pictures (unless `skip_bad`), mixed sizes or channels, bad labels, or
            cells that cannot be read or that `spec` does not know.
    """

    def read_conditions(positions: NDArray[np.int64]) -> dict[str, Column]:
        at = positions.tolist()
        known = None if spec is None else spec.get(LABEL)
        label = None if LABEL in requests else read_labels(source, class_names, at, known)
        own = {} if label is None else {LABEL: label}
        return own | read_columns(requests, source, at, spec)

    conditions = read_conditions(np.arange(len(source)))  # quicker than to decode, so it is first
    pixels = _ready_pixels(source, rule)
    if pixels is not None:
        positions, skipped = np.arange(len(pixels)), ()
        shape = (pixels.shape[1], pixels.shape[2], pixels.shape[3])
    else:
        first, shape = _first_shape(source, rule)
        if len(source) * int(np.prod(shape)) <= memory_limit_bytes:
            pixels = np.empty((len(source), *shape), np.uint8)
        bad = _decode_all(source, rule, first, shape, pixels, on_progress)
        skipped = tuple(SkippedPicture(source.name(i), reason) for i, reason in bad.items())
        if skipped and not skip_bad:
            raise DataError(_describe_bad(skipped, len(source)))
        positions = np.delete(np.arange(len(source)), list(bad))
        if pixels is not None and bad:
            pixels = _close_up(pixels, positions)
    if skipped:
        conditions = read_conditions(positions)
    return ImageSet(
        source=source,
        rule=rule,
        shape=shape,
        positions=positions,
        conditions=conditions,
        pixels=None if pixels is None else torch.from_numpy(pixels),
        skipped=skipped,
        unused=_unused(source, requests),
    )


def _unused(source: PictureSource, requests: Mapping[str, ColumnReader]) -> tuple[str, ...]:
    used = {column for name, reader in requests.items() for column in reader.columns or (name,)}
    used |= {source.label_column} if LABEL not in requests else set()
    return tuple(column for column in source.columns() if column not in used)


def _ready_pixels(source: PictureSource, rule: PictureRule) -> NDArray[np.uint8] | None:
    """All pixels as (n, C, H, W), if the source has them and the rule leaves them as they are."""
    whole = source.decoded()
    if whole is None or rule.channels not in (None, whole.shape[3]):
        return None
    if rule.size is not None and whole.shape[1:3] != (rule.size, rule.size):
        return None
    pixels = np.ascontiguousarray(whole.transpose(0, 3, 1, 2))
    return pixels if pixels.flags.writeable else pixels.copy()


def _first_shape(source: PictureSource, rule: PictureRule) -> tuple[int, tuple[int, int, int]]:
    """Number and (channels, height, width) of the first picture that can be decoded."""
    reason = ""
    for i in range(len(source)):
        try:
            height, width, channels = rule.read(source.fetch([i])[0]).shape
        except BadPictureError as error:
            reason = reason or f"{source.name(i)}: {error}"
            continue
        if rule.size is not None and (height, width) != (rule.size, rule.size):
            raise DataError(
                f"{source.name(i)} is {width}x{height}, but size is {rule.size} and resize is "
                "'none'; choose how to resize: crop, pad or stretch."
            )
        return i, (channels, height, width)
    raise DataError(f"None of the {len(source)} pictures can be decoded. The first: {reason}.")


def _decode_all(
    source: PictureSource,
    rule: PictureRule,
    first: int,
    shape: tuple[int, int, int],
    out: NDArray[np.uint8] | None,
    on_progress: OnProgress | None,
) -> dict[int, str]:
    """Decode all pictures into `out`, and say which could not be and why."""
    bad: dict[int, str] = {}
    with ThreadPoolExecutor(num_threads()) as pool:
        for start in range(0, len(source), CHUNK):
            rows = range(start, min(start + CHUNK, len(source)))
            rows_out = None if out is None else out[start : rows.stop]
            problems = decode_into(rows_out, source.fetch(rows), rule, shape, pool)
            for i, problem in zip(rows, problems, strict=True):
                if isinstance(problem, OtherShape):
                    raise DataError(_describe_mixed(source, first, shape, i, problem, rule))
                if problem is not None:
                    bad[i] = problem
            if on_progress is not None:
                on_progress(rows.stop, len(source))
    return bad


def _describe_mixed(
    source: PictureSource,
    first: int,
    shape: tuple[int, int, int],
    other: int,
    other_shape: OtherShape,
    rule: PictureRule,
) -> str:
    channels, height, width = shape
    one, two = source.name(first), source.name(other)
    if (other_shape.height, other_shape.width) == (height, width):
        return (
            f"The pictures differ in channels: {one} has {channels}, {two} has "
            f"{other_shape.channels}. Set channels (--channels): 1 grey, 3 RGB, 4 RGBA."
        )
    fix = (
        "Set size, the side in pixels, and resize (--size 32 --resize crop, pad or stretch)."
        if rule.size is None
        else "Set resize to crop, pad or stretch."
    )
    return (
        f"The pictures differ in size: {one} is {width}x{height}, {two} is "
        f"{other_shape.width}x{other_shape.height}. {fix}"
    )


def _describe_bad(bad: tuple[SkippedPicture, ...], total: int) -> str:
    named = "; ".join(f"{name}: {reason}" for name, reason in bad[:NAMED])
    more = f"; and {len(bad) - NAMED} more" if len(bad) > NAMED else ""
    return (
        f"{len(bad)} of {total} pictures cannot be decoded: {named}{more}. "
        "Mend or remove them, or leave them out with skip_bad (--skip-bad)."
    )


def _close_up(pixels: NDArray[np.uint8], positions: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Move the rows at `positions` (ascending) to the front, without a second copy of all."""
    for row, position in enumerate(positions.tolist()):
        if row != position:
            pixels[row] = pixels[position]
    return pixels[: len(positions)]
