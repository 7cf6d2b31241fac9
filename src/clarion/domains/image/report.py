"""What is in a data set, found before a model is trained on it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clarion.domains.image.codec import add_to_histogram, batches, mean_and_std
from clarion.domains.image.image_set import LABEL, ImageSet, SkippedPicture
from clarion.run.columns import describe_column
from clarion.run.duplicates import NAMED, DuplicateReport, listed
from clarion.run.examples import OnProgress

MOST_CLASSES_SHOWN = 20
BAR_WIDTH = 24


@dataclass(frozen=True)
class DataReport:
    """What is in a set of pictures.

    Args:
        count: number of pictures.
        shape: (channels, height, width).
        num_bytes: size of all pictures, decoded.
        is_in_memory: whether they are kept so, or decoded on the fly.
        low: lowest pixel value of each channel, 0..255.
        high: highest pixel value of each channel, 0..255.
        mean: of each channel, in units of 0 black to 1 white.
        sigma_data: standard deviation of each channel, in the same units.
        class_counts: name -> number of pictures; empty if there are no labels.
        duplicates: pictures that occur more than once.
        num_skipped: pictures left out because they cannot be decoded.
        skipped: the first few of them, and why.
        conditions: name -> what there is to say of each condition that is read from columns.
        unused: columns from which none is read.
    """

    count: int
    shape: tuple[int, int, int]
    num_bytes: int
    is_in_memory: bool
    low: tuple[int, ...]
    high: tuple[int, ...]
    mean: tuple[float, ...]
    sigma_data: tuple[float, ...]
    class_counts: dict[str, int]
    duplicates: DuplicateReport
    num_skipped: int = 0
    skipped: tuple[SkippedPicture, ...] = ()
    conditions: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()

    @staticmethod
    def measure(image_set: ImageSet, on_progress: OnProgress | None = None) -> DataReport:
        """Read every picture once and count.

        Args:
            image_set: the pictures.
            on_progress: called with (pictures done, pictures in all) while reading.
        """
        histogram = torch.zeros(image_set.shape[0], 256, dtype=torch.int64)
        digests: list[bytes] = []
        for _, pixels in batches(image_set, torch.arange(len(image_set))):
            add_to_histogram(histogram, pixels)
            rows = pixels.cpu().flatten(1).numpy()
            digests += [hashlib.blake2b(row, digest_size=16).digest() for row in rows]
            if on_progress is not None:
                on_progress(len(digests), len(image_set))
        seen = [counts.nonzero().flatten().tolist() for counts in histogram]
        mean, sigma_data = mean_and_std(histogram)
        labels = image_set.labels
        return DataReport(
            count=len(image_set),
            shape=image_set.shape,
            num_bytes=image_set.num_bytes,
            is_in_memory=image_set.is_in_memory,
            low=tuple(values[0] for values in seen),
            high=tuple(values[-1] for values in seen),
            mean=mean,
            sigma_data=sigma_data,
            class_counts=_count_classes(image_set),
            duplicates=DuplicateReport.find(
                digests, image_set.name, None if labels is None else labels.tolist()
            ),
            num_skipped=len(image_set.skipped),
            skipped=image_set.skipped[:NAMED],
            conditions={
                name: dict(column.summary)
                for name, column in image_set.conditions.items()
                if name != LABEL
            },
            unused=image_set.unused,
        )

    def to_json(self) -> dict[str, Any]:
        """The report as plain types, ready for `json.dumps`."""
        plain = asdict(self)
        plain["skipped"] = [{"name": name, "reason": reason} for name, reason in self.skipped]
        return plain

    def __rich__(self) -> RenderableType:
        parts: list[RenderableType] = [self._summary()]
        if self.class_counts:
            parts += [Text(), self._classes()]
        return Group(*parts)

    def _summary(self) -> Table:
        channels, height, width = self.shape
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        table.add_row("pictures", f"{self.count:,}")
        names = {1: "grey", 2: "grey and alpha", 3: "RGB", 4: "RGBA"}.get(channels, "")
        table.add_row("size", f"{width} x {height}, {channels} channels ({names})")
        where = "kept in memory" if self.is_in_memory else "decoded on the fly"
        table.add_row("decoded", f"{self.num_bytes / 2**20:,.1f} MiB, {where}")
        table.add_row("range", _per_channel(self.low, self.high, form="{}..{}") + " of 0..255")
        table.add_row("mean", _per_channel(self.mean) + " of 0..1")
        table.add_row("sigma_data", _per_channel(self.sigma_data) + " of 0..1; 1 in model units")
        duplicates = self.duplicates.in_words("picture", "under another label")
        table.add_row("duplicates", Text(duplicates))
        if self.num_skipped:
            named = [f"{name}: {reason}" for name, reason in self.skipped]
            bad = listed(f"{self.num_skipped:,} bad", named, self.num_skipped)
            table.add_row("skipped", Text(bad))
        for name, summary in self.conditions.items():
            table.add_row(name, Text(describe_column(summary)))
        if self.unused:
            hint = "read as conditions with --conditions NAME=KIND" if not self.conditions else ""
            names = ", ".join(self.unused)
            table.add_row("not used", Text(f"columns {names}{f' ({hint})' if hint else ''}"))
        return table

    def _classes(self) -> Group:
        counts = self.class_counts
        smallest = min(counts, key=lambda name: counts[name])
        largest = max(counts, key=lambda name: counts[name])
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column(justify="right")
        table.add_column(style="cyan")
        balance = "equally many pictures in each"
        if counts[smallest] != counts[largest]:
            balance = f"{counts[smallest]:,} ({smallest}) to {counts[largest]:,} ({largest})"
        for name in list(counts)[:MOST_CLASSES_SHOWN]:
            bar = "█" * round(BAR_WIDTH * counts[name] / max(1, counts[largest]))
            table.add_row(Text(name), f"{counts[name]:,}", bar)
        if len(counts) > MOST_CLASSES_SHOWN:
            table.add_row(f"and {len(counts) - MOST_CLASSES_SHOWN} more", "", "")
        return Group(Text(f"{len(counts)} classes, {balance}", style="bold"), table)


def _count_classes(image_set: ImageSet) -> dict[str, int]:
    column = image_set.conditions.get(LABEL)
    return dict(column.summary["values"]) if column is not None and image_set.class_names else {}


def _per_channel(*columns: Iterable[float], form: str = "{:.4f}") -> str:
    return ", ".join(form.format(*values) for values in zip(*columns, strict=True))
