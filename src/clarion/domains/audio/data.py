"""Which sounds to train on: the config that is saved with a run, and how it is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal

import torch

from clarion.base.condition import FieldEntry
from clarion.base.errors import ClarionError, DataError
from clarion.base.sound import ComplexSpectrogram, LogMel, SoundCodec, Waveform
from clarion.domains.audio.mixing import Mixer
from clarion.domains.audio.noise import Noise
from clarion.domains.audio.reading import read_noises, read_sound_set
from clarion.domains.audio.report import SoundReport
from clarion.domains.audio.sound_set import SoundSet
from clarion.domains.audio.sources import open_source
from clarion.run.columns import ColumnReader, parse_requests
from clarion.run.columns.rows import check_rules, choose_rows
from clarion.run.examples import DataConfig, Fitted, OnProgress

BATCH = 256
SPEAKER = "speaker"
"""Column that says who speaks."""


@dataclass(frozen=True)
class AudioData(DataConfig):
    """Sounds, and what is done to them before a model sees them.

    Args:
        source: a folder of .wav, .flac and .ogg files at any depth, one such file, a parquet file,
            a folder of them, or a hub name ("owner/name"). Columns tell what is known of each:
            those of the table or of `metadata.csv`; of files in folders `label`, the name of the
            folder; in the layout of LibriSpeech `speaker`, `chapter` and `text`.
        name_pattern: what the names of files tell, as columns: "{digit}_{speaker}_{index}"; of
            tables nothing.
        audio_column: of the sounds in a table; None finds it.
        split: "train", "test" and so on, of a hub data set.
        subset: which configuration of a hub data set, where it has several.
        rows: which of them are used, by their columns: "index!=0-4", "speaker=theo,george".
        conditions: what a model shall be conditioned on, out of the columns: NAME=KIND or
            NAME=KIND:COLUMN, such as "digit=class" or "caption=text".
        sample_rate_hz: to which all are brought; None takes that of the files, which must be one.
        duration_s: to which all are cut, or filled up with silence; None takes the longest.
        stride_s: cut longer ones into pieces of that length which begin so far apart, the last one
            filled up, rather than using their beginning alone.
        level_dbfs: root mean square to which each is brought; None leaves them as loud as they are.
        mix_down: take the mean of channels that differ, rather than refusing them.
        seen_as: what the model sees of a sound: "log_mel" (small, phases are found again),
            "complex_spectrogram" (large, exact) or "waveform" (its samples, as a signal).
        window_samples: length of a frame.
        hop_samples: from one frame to the next.
        num_bands: of log-mel.
        floor_dbfs: of log-mel: level below which there is silence.
        exponent: of complex spectrograms: power to which magnitudes are raised.
        bins_are: "rows" of pictures over time, or "channels" of signals, for networks that look
            along time alone; beside waveforms it is these.
        told: what else a model is told of each sound: "log_mel", its log-mel spectrogram, for a
            vocoder; "noisy", what the model sees of the same sound with noise, to take that away.
        noise: which noise is mixed in, for "noisy": fresh in each step of a training, and the same
            for the same sound where it validates.
        memory_limit_gib: larger data sets are refused.
    """

    domain: ClassVar[str] = "audio"

    source: str
    name_pattern: str | None = None
    audio_column: str | None = None
    rows: tuple[str, ...] = ()
    conditions: tuple[str, ...] = ()
    sample_rate_hz: int | None = None
    duration_s: float | None = None
    level_dbfs: float | None = None
    mix_down: bool = False
    seen_as: Literal["log_mel", "complex_spectrogram", "waveform"] = "log_mel"
    window_samples: int = 512
    hop_samples: int = 256
    num_bands: int = 64
    floor_dbfs: float = -70.0
    exponent: float = 0.5
    bins_are: Literal["rows", "channels"] = field(default="rows", metadata={"optional": True})
    told: Literal["nothing", "log_mel", "noisy"] = field(
        default="nothing", metadata={"optional": True}
    )
    stride_s: float | None = field(default=None, metadata={"optional": True})
    noise: Noise = field(default=Noise(), metadata={"optional": True})
    split: str = field(default="train", metadata={"optional": True})
    subset: str | None = field(default=None, metadata={"optional": True})
    memory_limit_gib: float = 4.0

    def __post_init__(self) -> None:
        if not self.source:
            raise DataError(
                "source must name a folder, a file of sound, parquet files, or a hub data set."
            )
        if self.sample_rate_hz is not None and self.sample_rate_hz < 1:
            raise DataError(f"sample_rate_hz must be at least 1, got {self.sample_rate_hz}.")
        if self.duration_s is not None and not 0 < self.duration_s < float("inf"):
            raise DataError(f"duration_s must be above 0 and finite, got {self.duration_s}.")
        if self.stride_s is not None and not 0 < self.stride_s < float("inf"):
            raise DataError(f"stride_s must be above 0 and finite, got {self.stride_s}.")
        if self.level_dbfs is not None and not self.level_dbfs <= 0:
            raise DataError(f"level_dbfs must be at most 0, got {self.level_dbfs}.")
        if self.told == "noisy" and self.level_dbfs is None:
            raise DataError(
                "Noise is so loud beside the speech of a recording, whose level must be known: "
                "set level_dbfs, -25 say."
            )
        if not self.memory_limit_gib > 0:
            raise DataError(f"memory_limit_gib must be above 0, got {self.memory_limit_gib}.")
        check_rules(self.rows)
        parse_requests(self.conditions)
        for seen_as in {self.seen_as, "log_mel" if self.told == "log_mel" else self.seen_as}:
            self._codec(seen_as, self.sample_rate_hz or 16_000, 1)

    @property
    def requests(self) -> dict[str, ColumnReader]:
        """Which conditions are read from columns, and how."""
        return parse_requests(self.conditions)

    def open(self, on_progress: OnProgress | None = None, fitted: Fitted | None = None) -> SoundSet:
        """Decode and check all sounds, into memory.

        Args:
            on_progress: called with (sounds done, sounds in all) while reading.
            fitted: on the data to train on, where these are others: they are brought to its rate
                and length; None fits all on these.

        Raises:
            DataError: if there are no such data, they cannot be used as they are, or hold what
                those to train on do not.
        """
        source = open_source(
            self.source,
            split=self.split,
            subset=self.subset,
            name_pattern=self.name_pattern,
            audio_column=self.audio_column,
        )
        positions = choose_rows(source, self.rows)
        codec = None if fitted is None else fitted.codec
        assert codec is None or isinstance(codec, SoundCodec), "that is what sounds have"
        sounds = read_sound_set(
            source,
            positions,
            sample_rate_hz=self.sample_rate_hz if codec is None else codec.sample_rate_hz,
            num_samples=None if codec is None else codec.num_samples,
            duration_s=self.duration_s,
            stride_s=self.stride_s,
            level_dbfs=self.level_dbfs,
            mix_down=self.mix_down,
            requests=self.requests,
            spec=None if fitted is None else fitted.condition_spec,
            memory_limit_bytes=int(self.memory_limit_gib * 2**30),
            on_progress=on_progress,
        )
        if self.told == "nothing":
            return sounds
        entry = None if fitted is None else fitted.condition_spec[self.told]
        seen_as = entry.seen_as if isinstance(entry, FieldEntry) else None
        if fitted is None:
            seen_as = self._fitted(self.seen_as if self.told == "noisy" else self.told, sounds)
        assert seen_as is not None, "that is how sounds are told of"
        told = {self.told: seen_as}
        if self.told != "noisy":
            return replace(sounds, told=told)
        cells = source.cells(SPEAKER) if SPEAKER in source.columns() else range(len(source))
        return replace(sounds, told=told, mixer=self._mixer(sounds, [cells[i] for i in positions]))

    def fit_codec(self, examples: SoundSet) -> SoundCodec:
        """What the model sees of a sound, with the scale of these."""
        return self._fitted(self.seen_as, examples)

    def describe(self, examples: SoundSet) -> SoundReport:
        """Count, hours, rates, lengths, levels, clipping, silence, duplicates, conditions."""
        return SoundReport.measure(examples)

    def _mixer(self, sounds: SoundSet, speakers: Sequence[Any]) -> Mixer:
        """Makes these sounds noisy, given who speaks in each of the sounds they are pieces of."""
        numbers = {speaker: number for number, speaker in enumerate(dict.fromkeys(speakers))}
        voices = torch.tensor([numbers[speaker] for speaker in speakers])[sounds.sounds]
        rate_hz = sounds.sample_rate_hz
        recordings = () if self.noise.folder is None else read_noises(self.noise.folder, rate_hz)
        assert self.level_dbfs is not None, "it is checked"
        return Mixer(self.noise, rate_hz, self.level_dbfs, voices, recordings)

    def _fitted(self, seen_as: str, sounds: SoundSet) -> SoundCodec:
        """That codec, with the scale of these sounds."""
        (num_samples,) = sounds.shape
        parts = torch.arange(len(sounds)).split(BATCH)
        try:
            codec = self._codec(seen_as, sounds.sample_rate_hz, num_samples)
            return codec.fitted(sounds.waveforms[part] for part in parts)
        except ClarionError as error:
            raise DataError(f"{self.source}: {error}") from None

    def _codec(self, seen_as: str, sample_rate_hz: int, num_samples: int) -> SoundCodec:
        """Not yet fitted."""
        if seen_as == "waveform":
            return Waveform(sample_rate_hz, num_samples)
        sizes = (sample_rate_hz, num_samples, self.window_samples, self.hop_samples)
        bins_are = "channels" if self.seen_as == "waveform" else self.bins_are
        if seen_as == "log_mel":
            return LogMel(*sizes, self.num_bands, self.floor_dbfs, bins_are=bins_are)
        return ComplexSpectrogram(*sizes, self.exponent, bins_are=bins_are)
