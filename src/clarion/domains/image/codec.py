"""Raw pictures <-> numbers a model can learn.

Three units: pixels are uint8 0..255; the unit interval is pixels / 255, 0 black to 1 white; model
units are (unit - mean) / std, per channel, so that data have zero mean and unit variance.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from clarion.base.errors import DataError
from clarion.domains.image.image_set import ImageSet

MAX_FIT_EXAMPLES = 100_000
BATCH_BYTES = 2**26


def to_uint8(unit: Tensor) -> Tensor:
    """Unit-interval pictures to uint8: 255 x, rounded, halves to even, clipped to 0..255.

    This is the only place where pictures are clipped.

    Raises:
        DataError: if a value is not finite, for which there is no pixel.

    Example:
        >>> to_uint8(torch.tensor([-0.1, 0.0, 0.5, 1.0, 1.7])).tolist()
        [0, 0, 128, 255, 255]
    """
    if not unit.isfinite().all():
        raise DataError("A picture has values that are not finite, and so no pixels.")
    return (unit.float() * 255).round().clamp(0, 255).to(torch.uint8)


def evenly_spaced(n: int, limit: int) -> Tensor:
    """At most `limit` of the numbers 0..n - 1, evenly spaced: all if n <= limit.

    Example:
        >>> evenly_spaced(10, 4).tolist()
        [0, 2, 5, 7]
    """
    count = min(n, limit)
    return torch.arange(count, dtype=torch.int64) * n // max(count, 1)


def batches(image_set: ImageSet, indices: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Pictures in the order of `indices`, in batches of at most 64 MiB: (indices, pixels)."""
    size = max(1, BATCH_BYTES * len(image_set) // max(1, image_set.num_bytes))
    for part in indices.split(size):
        yield part, image_set.batch(part)[0]


def add_to_histogram(histogram: Tensor, pixels: Tensor) -> None:
    """Count pixel values into `histogram` (channels, 256) int64, in place."""
    for counts, channel in zip(histogram, pixels.transpose(0, 1), strict=True):
        counts += torch.bincount(channel.flatten(), minlength=256).cpu()


def mean_and_std(histogram: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per-channel mean and standard deviation in unit-interval units, from pixel counts.

    mean = sum_v c_v v / (255 n) and std^2 = (n sum_v c_v v^2 - (sum_v c_v v)^2) / (255 n)^2, with
    the sums in whole numbers, so the only rounding is that of the last division.

    Args:
        histogram: (channels, 256) int64, how many pixels have each value.
    """
    means, stds = [], []
    for counts in histogram.tolist():
        n = sum(counts)
        total = sum(count * value for value, count in enumerate(counts))
        squares = sum(count * value * value for value, count in enumerate(counts))
        means.append(total / (255 * n))
        stds.append(((n * squares - total * total) / (255 * n) ** 2) ** 0.5)
    return tuple(means), tuple(stds)


def fit_normalizer(image_set: ImageSet) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Per-channel mean and standard deviation of the pixels, in unit-interval units.

    Exact over the whole set up to 100,000 pictures; of a larger set, over 100,000 evenly spaced
    ones (the standard error is then below 1/300 of the spread from picture to picture).

    Returns:
        (means, stds), one number a channel.

    Raises:
        DataError: if a channel has the same value everywhere, and so cannot be scaled.
    """
    histogram = torch.zeros(image_set.shape[0], 256, dtype=torch.int64)
    for _, pixels in batches(image_set, evenly_spaced(len(image_set), MAX_FIT_EXAMPLES)):
        add_to_histogram(histogram, pixels)
    means, stds = mean_and_std(histogram)
    for channel, std in enumerate(stds):
        if std == 0:
            raise DataError(
                f"Channel {channel} is {round(means[channel] * 255)} in every pixel, so it has "
                f"nothing to learn; set channels to fewer than {len(stds)}, or check the data."
            )
    return means, stds
