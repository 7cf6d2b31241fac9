"""Which pictures to train on: the config that is saved with a run, and how it is opened."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import ClassVar

from clarion.base.errors import DataError
from clarion.base.normalizer import Normalizer
from clarion.domains.image.codec import fit_normalizer
from clarion.domains.image.decoding import MODES, PictureRule, ResizeRule
from clarion.domains.image.fields import PICTURE_READERS, FieldColumn
from clarion.domains.image.image_set import LABEL, ImageSet
from clarion.domains.image.reading import read_image_set
from clarion.domains.image.report import DataReport
from clarion.domains.image.sources import PictureSource, open_source
from clarion.domains.image.survey import Survey
from clarion.run.columns import ColumnReader, parse_requests
from clarion.run.columns.hub import is_hub_name
from clarion.run.examples import DataConfig, Fitted, OnProgress

RESIZE_RULES = ("none", "crop", "pad", "stretch")


@dataclass(frozen=True)
class ImageData(DataConfig):
    """Pictures, and what is done to them before a model sees them.

    Args:
        source: one of: a folder of class folders, a folder of pictures, a parquet file, a folder
            of parquet files, a pattern ("data/train-*.parquet"), a .npz file (arrays `images` and
            `labels`), a folder of idx files (MNIST and its relatives), a hub name ("owner/name").
        fallback: a second source, used if `source` is not on this machine.
        split: "train", "test" and so on, where the source has splits.
        subset: which configuration of a hub data set, where it has several.
        size: side of the square in pixels; None leaves the pictures as they are, and then all must
            have one size.
        resize: how a picture that is not `size` x `size` becomes so: "crop" (scale the shorter
            side, keep the centre), "pad" (scale the longer side, fill up), "stretch" (ignore the
            aspect ratio), "none" (refuse it).
        pad_value: grey level of "pad", 0 black to 255 white.
        channels: 1 grey, 2 grey and alpha, 3 RGB, 4 RGBA; None takes them as they are, and then
            all must have the same.
        image_column: column of the pictures in a table; None finds it by its type.
        label_column: column of the labels in a table; None takes "label", else the only column of
            class labels, else the pictures have no labels.
        class_names: names of the classes in the order of their numbers, for data that have none
            or others; for class folders: which folder is which number.
        conditions: what a model shall be conditioned on beside the label, out of the columns of a
            table or of `metadata.csv`: NAME=KIND or NAME=KIND:COLUMN, such as "caption=text",
            "label=class:species", "words=tags:keywords" or "body=vector:weight+height,units=kg+m".
        mirror: train on each picture as it is or, as often, with left and right exchanged.
        skip_bad: leave out pictures that cannot be decoded, rather than refusing the data set.
        memory_limit_gib: data sets up to this size, decoded, are kept in memory.
    """

    domain: ClassVar[str] = "image"

    source: str
    fallback: str | None = None
    split: str = "train"
    subset: str | None = None
    size: int | None = None
    resize: ResizeRule = "none"
    pad_value: int = 0
    channels: int | None = None
    image_column: str | None = None
    label_column: str | None = None
    class_names: tuple[str, ...] = ()
    conditions: tuple[str, ...] = field(default=(), metadata={"optional": True})
    mirror: bool = field(default=False, metadata={"optional": True})
    skip_bad: bool = False
    memory_limit_gib: float = 4.0

    def __post_init__(self) -> None:
        if not self.source:
            raise DataError("source must name a folder, parquet files, or a hub data set.")
        if self.size is not None and self.size < 1:
            raise DataError(f"size must be at least 1 pixel, got {self.size}.")
        if self.resize not in RESIZE_RULES:
            raise DataError(
                f"resize must be one of {', '.join(RESIZE_RULES)}, got {self.resize!r}."
            )
        if self.size is None and self.resize != "none":
            raise DataError(f"resize is {self.resize!r}, which needs size: the side in pixels.")
        if not 0 <= self.pad_value <= 255:
            raise DataError(f"pad_value must be in 0..255, got {self.pad_value}.")
        if self.channels is not None and self.channels not in MODES:
            raise DataError(f"channels must be 1, 2, 3 or 4, got {self.channels}.")
        if not self.memory_limit_gib >= 0:
            raise DataError(f"memory_limit_gib must be 0 or more, got {self.memory_limit_gib}.")
        if len(set(self.class_names)) != len(self.class_names):
            raise DataError(f"class_names must differ from each other, got {self.class_names}.")
        if LABEL in self.requests and (self.label_column or self.class_names):
            raise DataError(
                f"conditions say how {LABEL!r} is read, so label_column and class_names do not "
                f"apply; name the column there ({LABEL}=class:COLUMN)."
            )

    @property
    def rule(self) -> PictureRule:
        """How each picture is brought to its channels and size."""
        return PictureRule(self.channels, self.size, self.resize, self.pad_value)

    @property
    def requests(self) -> dict[str, ColumnReader]:
        """Which conditions are read from columns, and how."""
        readers = parse_requests(self.conditions, PICTURE_READERS)
        for name, reader in readers.items():
            if isinstance(reader, FieldColumn):
                readers[name] = replace(reader, rule=replace(self.rule, channels=reader.channels))
        return readers

    def open(self, on_progress: OnProgress | None = None, fitted: Fitted | None = None) -> ImageSet:
        """Find the pictures and decode each once, into memory if they fit.

        Larger sets are decoded as well, to know before the training that every picture can be, and
        then read again when they are needed.

        Args:
            on_progress: called with (pictures done, pictures in all) while reading.
            fitted: on the data to train on, where these are others; None fits all on these.

        Raises:
            DataError: if there are no such data, they cannot be used as they are, or hold what
                those to train on do not.
        """
        images = read_image_set(
            self._open_source(),
            self.rule,
            class_names=self.class_names,
            requests=self.requests,
            spec=None if fitted is None else fitted.condition_spec,
            skip_bad=self.skip_bad,
            memory_limit_bytes=int(min(self.memory_limit_gib, 2**30) * 2**30),
            on_progress=on_progress,
        )
        return replace(images, mirror=self.mirror)

    def fit_codec(self, examples: ImageSet) -> Normalizer:
        """Zero mean and unit variance in each channel, in units of 0 black to 1 white."""
        return Normalizer(*fit_normalizer(examples))

    def survey(self) -> Survey:
        """Which sizes, channels and bad pictures there are, whatever is asked of them here."""
        return Survey.measure(self._open_source())

    def describe(self, examples: ImageSet) -> DataReport:
        """Count, size, channels, range, class balance, exact duplicates, sigma_data."""
        return DataReport.measure(examples)

    def _open_source(self) -> PictureSource:
        is_here = Path(self.source).expanduser().exists()
        chosen = self.source if is_here or self.fallback is None else self.fallback
        try:
            return open_source(
                chosen,
                split=self.split,
                subset=self.subset,
                image_column=self.image_column,
                label_column=self.label_column,
            )
        except DataError as error:
            if chosen == self.source or is_hub_name(self.source):
                raise
            raise DataError(f"{self.source} is not on this machine. {error}") from error
