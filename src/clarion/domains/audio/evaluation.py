"""`clarion evaluate speech ENHANCED --clean CLEAN`: how near processed speech is to clean speech.

Both are folders of files with the same names (or one file each). All are brought to 16 kHz, and
delays are taken out, before anything is measured. Intervals are over files. Predicted scores
(dnsmos, distillmos) are no listening results, and no metric is to be believed alone: on files that
people rated, DistillMOS and PESQ go with overall quality at a correlation of 0.91, DNSMOS at 0.68.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from clarion.base.errors import ClarionError, DataError
from clarion.domains.audio.metrics.alignment import aligned
from clarion.domains.audio.metrics.tables import SPEECH_METRICS, Samples
from clarion.domains.audio.metrics.words import Listener, word_error_rate, words_of
from clarion.domains.audio.sound_file import read_sound, resample
from clarion.domains.audio.sources import open_source, sounds_below
from clarion.evaluate.compare import SHARED
from clarion.evaluate.evaluation import Evaluation
from clarion.evaluate.metric import Metric, MetricCard, mean
from clarion.evaluate.versions import versions
from clarion.run.examples import OnProgress

RATE_HZ = 16_000
NAMED = 5  # files named in a message; the rest are counted

Name = Literal["pesq", "estoi", "si_sdr", "dnsmos", "distillmos", "speaker", "wer"]

TEXT = "text"
WER = "wer"
WER_NOTE = "words that are heard wrongly, of those said; mean over files"


@dataclass(frozen=True)
class SpeechEvaluation(Evaluation):
    """Which speech, and what is measured of it.

    Args:
        enhanced: a folder of files, at any depth, or one file.
        clean: the same speech as it was before noise was added, in files of the same names.
        metrics: pesq, estoi and si_sdr hold it against the clean speech, and speaker its voice;
            dnsmos and distillmos predict what listeners would say of it; wer is the share of words
            that a Whisper model hears wrongly.
        whisper: folder of that model.
        max_delay_s: delays are looked for up to this, either way.
        mix_down: take the mean of channels that differ.
    """

    enhanced: Annotated[str, tyro.conf.Positional]
    clean: str
    metrics: tuple[Name, ...] = ("pesq", "estoi", "si_sdr")
    whisper: str | None = None
    max_delay_s: float = 0.5
    mix_down: bool = False

    def __post_init__(self) -> None:
        for name in set(self.metrics) - {WER}:
            SPEECH_METRICS[name]  # an unknown name is refused here
        if (WER in self.metrics) != (self.whisper is not None):
            raise ClarionError("wer needs whisper, a folder of a Whisper model; the others do not.")
        if not self.metrics:
            raise ClarionError("There is nothing to measure: name metrics.")
        if not 0 <= self.max_delay_s < float("inf"):
            raise ClarionError(f"max_delay_s must be 0 or more, got {self.max_delay_s}.")

    def run(self, on_progress: OnProgress) -> MetricCard:
        pairs = pair_files(Path(self.enhanced).expanduser(), Path(self.clean).expanduser())
        measures = {n: SPEECH_METRICS[n].measure for n in self.metrics if n != WER}
        words = None if self.whisper is None else Words.of(Path(self.whisper), self.clean)
        values: dict[str, list[float]] = {name: [] for name in self.metrics}
        delays_s, digest = [], hashlib.sha256()
        for number, (name, (enhanced, clean)) in enumerate(pairs.items(), 1):
            y, s = self._read(enhanced), self._read(clean)
            digest.update(name.encode() + s.tobytes())
            try:
                y, s, delay = aligned(y, s, round(self.max_delay_s * RATE_HZ))
                found = {metric: measure(y, s) for metric, measure in measures.items()}
                if words is not None:
                    found[WER] = words.errors(y, s, clean)
            except DataError as error:
                raise DataError(f"{enhanced} beside {clean}: {error}") from None
            for metric, value in found.items():
                values[metric].append(value)
            delays_s.append(delay / RATE_HZ)
            on_progress(number, len(pairs))
        return MetricCard(
            self.enhanced,
            {name: _metric(name, found) for name, found in values.items()},
            basis={"clean speech": digest.hexdigest(), "sample_rate_hz": RATE_HZ},
            details={
                SHARED: f"files {digest.hexdigest()[:16]}",
                "files": list(pairs),
                "delays_s": delays_s,
                "versions": versions(*PACKAGES),
            },
        )

    def _read(self, file: Path) -> Samples:
        return resample(read_sound(file, mix_down=self.mix_down), RATE_HZ).samples


PACKAGES = ("pesq", "pystoi", "speechmos", "distillmos", "resemblyzer", "faster-whisper")
"""That compute the metrics."""


@dataclass(frozen=True)
class Words:
    """How many words are heard wrongly.

    Args:
        listener: who hears them.
        said: clean file -> what is said in it; of others it is what is heard in the clean speech.
    """

    listener: Listener
    said: Mapping[Path, str]

    @classmethod
    def of(cls, whisper: Path, clean: str) -> Words:
        """By a Whisper model, and by the column `text` of the clean files, if there is one."""
        source = open_source(clean)
        if TEXT not in source.columns():
            return cls(Listener(whisper), {})
        texts = zip(range(len(source)), source.cells(TEXT), strict=True)
        said = {source.fetch(i): text for i, text in texts if isinstance(text, str)}
        return cls(Listener(whisper), {f: t for f, t in said.items() if isinstance(f, Path)})

    def errors(self, heard: Samples, clean: Samples, file: Path) -> float:
        """Word error rate of what is heard in place of this clean file."""
        said = words_of(self.said[file]) if file in self.said else self.listener.words(clean)
        return word_error_rate(self.listener.words(heard), said)


def pair_files(enhanced: Path, clean: Path) -> dict[str, tuple[Path, Path]]:
    """Name -> a file of each: by their paths within the folders, without endings.

    Raises:
        DataError: for a file without its partner, or if there are none.
    """
    one, other = _by_name(enhanced), _by_name(clean)
    if enhanced.is_file() and clean.is_file():
        return {enhanced.stem: (enhanced, clean)}
    lonely = [str(one[name]) for name in one if name not in other]
    lonely += [str(other[name]) for name in other if name not in one]
    if lonely:
        more = f" and {len(lonely) - NAMED} more" if len(lonely) > NAMED else ""
        raise DataError(
            f"Files of {enhanced} and {clean} must have the same names; without a partner: "
            f"{', '.join(lonely[:NAMED])}{more}."
        )
    return {name: (file, other[name]) for name, file in one.items()}


def _by_name(place: Path) -> dict[str, Path]:
    if place.is_file():
        return {place.stem: place}
    if not place.exists():
        raise DataError(f"There is no folder or file {place}.")
    files = {str(file.relative_to(place).with_suffix("")): file for file in sounds_below(place)}
    if not files:
        raise DataError(f"No sounds found in {place}.")
    return files


def _metric(name: str, values: list[float]) -> Metric:
    """The mean over files, by which two cards of the same files are compared one by one."""
    note = WER_NOTE if name == WER else SPEECH_METRICS[name].note
    return replace(mean(values, note), parts=tuple(values))
