"""Read a whole source once: check every picture, and keep all in memory if they fit."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from clarion.base.errors import DataError
from clarion.domains.image.decoding import BadPictureError, PictureRule
from clarion.domains.image.image_set import (
    ImageSet,
    OtherShape,
    SkippedPicture,
    decode_into,
    num_threads,
)
from clarion.domains.image.sources import FolderSource, PictureSource
from clarion.run.examples import OnProgress

CHUNK = 256  # pictures fetched at a time, which bounds the encoded bytes held
NAMED = 5  # bad pictures named in a message; the rest are counted
MOST_CLASSES_WITHOUT_NAMES = 1000  # above this, labels must not outnumber the pictures


def read_image_set(
    source: PictureSource,
    rule: PictureRule,
    *,
    class_names: tuple[str, ...] = (),
    skip_bad: bool = False,
    memory_limit_bytes: int = 4 * 2**30,
    on_progress: OnProgress | None = None,
) -> ImageSet:
    """Decode every picture of a source once, into memory if they fit.

    Raises:
        DataError: for bad pictures (unless `skip_bad`), mixed sizes or channels, or bad labels.
    """
    labels, class_names = check_labels(source, class_names)
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
    if labels is not None and skipped:
        _check_none_emptied(labels, labels[positions], class_names)
    return ImageSet(
        source=source,
        rule=rule,
        shape=shape,
        positions=positions,
        labels=None if labels is None else torch.from_numpy(labels[positions]),
        class_names=class_names,
        pixels=None if pixels is None else torch.from_numpy(pixels),
        skipped=skipped,
    )


def check_labels(
    source: PictureSource, class_names: tuple[str, ...]
) -> tuple[NDArray[np.int64] | None, tuple[str, ...]]:
    """Labels numbered as `class_names` says, and one name for each class.

    Raises:
        DataError: if the names do not fit the labels, or a label cannot be a class number.
    """
    labels, known = source.labels, source.class_names
    if labels is None:
        if class_names:
            raise DataError(
                f"class_names gives {len(class_names)} names, but the pictures have no labels."
            )
        return None, ()
    if known and class_names and set(class_names) == set(known):
        number = np.array([class_names.index(name) for name in known], dtype=np.int64)
        return number[_in_range(source, labels, len(known))], class_names
    if class_names and isinstance(source, FolderSource):
        missing = sorted(set(class_names) - set(known))
        extra = sorted(set(known) - set(class_names))
        raise DataError(
            "class_names must name each class folder once; "
            f"there is no folder for {missing[:NAMED]}, and no name for {extra[:NAMED]}."
        )
    if class_names and known and len(class_names) != len(known):
        raise DataError(
            f"class_names gives {len(class_names)} names for the {len(known)} classes of the data."
        )
    names = class_names or known
    if not names:
        highest = int(labels.max())
        if highest >= max(MOST_CLASSES_WITHOUT_NAMES, len(labels)):
            raise DataError(
                f"{source.name(int(labels.argmax()))} has label {highest}, but there are only "
                f"{len(labels)} pictures; labels must be class numbers that start at 0."
            )
        names = tuple(map(str, range(highest + 1)))
    return _in_range(source, labels, len(names)), names


def _in_range(
    source: PictureSource, labels: NDArray[np.int64], num_classes: int
) -> NDArray[np.int64]:
    wrong = np.flatnonzero((labels < 0) | (labels >= num_classes))
    if len(wrong):
        row = int(wrong[0])
        hint = " (-1 usually marks a split without labels)" if labels[row] == -1 else ""
        raise DataError(
            f"{source.name(row)} has label {labels[row]}{hint}; labels must be in "
            f"0..{num_classes - 1}. {len(wrong)} of {len(labels)} are not."
        )
    return labels


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


def _check_none_emptied(
    before: NDArray[np.int64], after: NDArray[np.int64], class_names: tuple[str, ...]
) -> None:
    emptied = sorted(set(before.tolist()) - set(after.tolist()))
    if emptied:
        raise DataError(
            f"No picture of class {class_names[emptied[0]]!r} can be decoded; "
            "mend them or remove the class."
        )
