"""What pictures are there, before anything is asked of them: for data that cannot be used as is."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from clarion.domains.image.decoding import PictureRule
from clarion.domains.image.image_set import OtherShape, SkippedPicture, decode_into, num_threads
from clarion.domains.image.sources import PictureSource

CHUNK = 256
MOST_SHOWN = 8
AS_THEY_ARE = PictureRule(channels=None, size=None, resize="none", pad_value=0)


@dataclass(frozen=True)
class Survey:
    """Sizes, channels and bad pictures of a source.

    Args:
        count: number of pictures.
        sizes: (width, height) -> how many, the most frequent first.
        channels: number of channels -> how many, the most frequent first.
        bad: pictures that cannot be decoded, and why.
    """

    count: int
    sizes: dict[tuple[int, int], int]
    channels: dict[int, int]
    bad: tuple[SkippedPicture, ...]

    @staticmethod
    def measure(source: PictureSource) -> Survey:
        """Decode every picture once, as it is."""
        sizes: Counter[tuple[int, int]] = Counter()
        channels: Counter[int] = Counter()
        bad: list[SkippedPicture] = []
        with ThreadPoolExecutor(num_threads()) as pool:
            for start in range(0, len(source), CHUNK):
                rows = range(start, min(start + CHUNK, len(source)))
                # No picture has this shape, so each says its own.
                found = decode_into(None, source.fetch(rows), AS_THEY_ARE, (0, 0, 0), pool)
                for i, result in zip(rows, found, strict=True):
                    if isinstance(result, OtherShape):
                        sizes[result.width, result.height] += 1
                        channels[result.channels] += 1
                    else:
                        bad.append(SkippedPicture(source.name(i), str(result)))
        return Survey(
            len(source), dict(sizes.most_common()), dict(channels.most_common()), tuple(bad)
        )

    def to_json(self) -> dict[str, Any]:
        """The survey as plain types."""
        return {
            "count": self.count,
            "sizes": {f"{width}x{height}": n for (width, height), n in self.sizes.items()},
            "channels": {str(number): n for number, n in self.channels.items()},
            "bad": [{"name": name, "reason": reason} for name, reason in self.bad],
        }

    def __rich__(self) -> Table:
        plain = self.to_json()
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        table.add_row("pictures", f"{self.count:,}")
        table.add_row("sizes", _counts(plain["sizes"]))
        table.add_row("channels", _counts(plain["channels"]))
        if self.bad:
            named = [f"{name}: {reason}" for name, reason in self.bad[:MOST_SHOWN]]
            more = [f"and {len(self.bad) - MOST_SHOWN:,} more"] * (len(self.bad) > MOST_SHOWN)
            table.add_row("bad", Text("\n".join(named + more)))
        return table


def _counts(counts: dict[str, int]) -> str:
    shown = [f"{name} ({n:,})" for name, n in list(counts.items())[:MOST_SHOWN]]
    return ", ".join([*shown, "..."] if len(counts) > MOST_SHOWN else shown)
