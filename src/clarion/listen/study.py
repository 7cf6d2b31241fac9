"""What a listening test is to find out, and how: all that is fixed before anybody listens."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown
from clarion.base.options import check_choice, check_number, check_whole
from clarion.listen.design import DESIGNS, NO_EFFECT, Design, Scale
from clarion.run.files import read_json
from clarion.run.serialize import from_json

ANCHOR = "anchor"
"""The condition that the test makes itself: the reference through a low-pass filter."""

TRAP = "trap"
"""The condition of trap trials: a clip in so much noise that nobody can take it for a clear one."""

MOST_STIMULI = 12
"""In a trial, from ITU-R BS.1534-3, section 5.3."""


OPTIONAL = {"optional": True}
"""Of a field that STUDY.json may leave out."""


@dataclass(frozen=True)
class Claim:
    """What shall be shown, stated before the test.

    Args:
        system: of which it is claimed.
        at_least: the least effect: of ratings the gain of the mean over the baseline's in percent,
            of "ccr" the mean answer in points, of "ab" the share of choices in percent.
        level: "estimated": the estimate is at least that, and the 95 % interval lies above no
            effect; "proved": the whole interval is at least that.
        scale: which question it is about; None for the last one of the design.
    """

    system: str
    at_least: float = field(default=20.0, metadata=OPTIONAL)
    level: Literal["estimated", "proved"] = field(default="estimated", metadata=OPTIONAL)
    scale: str | None = field(default=None, metadata=OPTIONAL)


@dataclass(frozen=True)
class Screening:
    """Which listeners are left out, by rules that look at no system under test.

    Args:
        reference_below: a rating of the hidden reference under this is a miss.
        anchor_above: a rating of the anchor over this is a miss.
        share_of_items: a listener with misses of one kind in more than this share of the items is
            left out; one single miss leaves nobody out.
        max_missed_traps: a listener who misses more traps is left out.
        require_headphones: leave out who did not pass the headphone check.

    Source: ITU-R BS.1534-3 2015, section 4.1.2, for the first three. There the rule about the
    anchor is one for the middle anchor (7 kHz).
    """

    reference_below: float = field(default=90.0, metadata=OPTIONAL)
    anchor_above: float = field(default=90.0, metadata=OPTIONAL)
    share_of_items: float = field(default=0.15, metadata=OPTIONAL)
    max_missed_traps: int = field(default=1, metadata=OPTIONAL)
    require_headphones: bool = field(default=False, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        check_number("reference_below", self.reference_below, 0, 100)
        check_number("anchor_above", self.anchor_above, 0, 100)
        check_number("share_of_items", self.share_of_items, 0, 1)
        check_whole("max_missed_traps", self.max_missed_traps, 0)


@dataclass(frozen=True)
class Study:
    """A listening test. On disk it is STUDY.json, where all but the first four may be left out.

    Args:
        title: stands over the page.
        design: "multi_stimulus", "acr", "p835", "ccr" or "ab".
        systems: what is compared; each has a folder of clips of its name.
        baseline: the system that the others are compared with.
        reference: folder of undisturbed clips, which are hidden among those rated on absolute
            scales; None if there are none, as for generated speech.
        open_reference: whether the reference can be listened to as such beside the stimuli
            ("multi_stimulus" only).
        anchor_hz: cut-off frequency of the low-pass anchor ("multi_stimulus" with a reference
            only); None for no anchor.
        items: names of the clips, without their endings; None for all that are there.
        claim: what shall be shown.
        question: replaces the question of a design that has only one.
        introduction: what listeners read first.
        num_listeners: for how many it is planned; there may be fewer.
        practice: trials at the start that do not count.
        traps: trials whose answer is known.
        duplicates: trials that come twice, to see how well a listener agrees with himself.
        headphone_check: whether listeners are asked to pass one.
        sample_rate_hz: to which all clips are resampled; None where they have all the same.
        loudness_lufs: to which every clip is brought.
        length_tolerance_s: by how much clips of one item may differ in length; they are then cut to
            the shortest. Beyond it they are refused.
        allow_clipped: whether clips with flattened peaks are taken.
        screening: who is left out.
        seed: of everything that is random in the order of trials and stimuli.

    Raises:
        ClarionError: if they do not fit together.
    """

    title: str
    design: str
    systems: tuple[str, ...]
    baseline: str
    reference: str | None = field(default=None, metadata=OPTIONAL)
    open_reference: bool = field(default=True, metadata=OPTIONAL)
    anchor_hz: float | None = field(default=3500.0, metadata=OPTIONAL)
    items: tuple[str, ...] | None = field(default=None, metadata=OPTIONAL)
    claim: Claim | None = field(default=None, metadata=OPTIONAL)
    question: str | None = field(default=None, metadata=OPTIONAL)
    introduction: str = field(default="", metadata=OPTIONAL)
    num_listeners: int = field(default=10, metadata=OPTIONAL)
    practice: int = field(default=1, metadata=OPTIONAL)
    traps: int = field(default=3, metadata=OPTIONAL)
    duplicates: int = field(default=2, metadata=OPTIONAL)
    headphone_check: bool = field(default=True, metadata=OPTIONAL)
    sample_rate_hz: int | None = field(default=None, metadata=OPTIONAL)
    loudness_lufs: float = field(default=-23.0, metadata=OPTIONAL)
    length_tolerance_s: float = field(default=0.0, metadata=OPTIONAL)
    allow_clipped: bool = field(default=False, metadata=OPTIONAL)
    screening: Screening = field(default=Screening(), metadata=OPTIONAL)
    seed: int = field(default=0, metadata=OPTIONAL)

    def __post_init__(self) -> None:
        DESIGNS[self.design]
        self._check_systems()
        self._check_claim()
        if self.items is not None:
            _check_names("items", self.items)
        if self.question is not None and len(DESIGNS[self.design].scales) > 1:
            raise ClarionError(f"question cannot replace the several questions of {self.design}.")
        if self.anchor_hz is not None:
            check_number("anchor_hz", self.anchor_hz, 100)
        check_whole("num_listeners", self.num_listeners, 1, 1000)
        for name in ("practice", "traps", "duplicates"):
            check_whole(name, getattr(self, name), 0, 100)
        if self.sample_rate_hz is not None:
            check_whole("sample_rate_hz", self.sample_rate_hz, 8000, 96000)
        check_number("loudness_lufs", self.loudness_lufs, -50, -10)
        check_number("length_tolerance_s", self.length_tolerance_s, 0)
        check_whole("seed", self.seed, 0)

    def _check_systems(self) -> None:
        _check_names("systems", self.systems)
        for taken in (ANCHOR, TRAP):
            if taken in (*self.systems, self.reference):
                raise ClarionError(f"No system may be called {taken!r}; the test makes its own.")
        check_choice("baseline", self.baseline, self.systems)
        if self.reference is not None:
            _check_names("reference", (self.reference,))
        if self.reference in self.systems:
            raise ClarionError(
                f"The reference {self.reference!r} must not stand among the systems as well."
            )
        if len(self.systems) < 2:
            raise ClarionError(f"systems must be at least 2, got {list(self.systems)}.")
        if self.shown == "all" and len(self.conditions) > MOST_STIMULI:
            raise ClarionError(
                f"A trial has at most {MOST_STIMULI} stimuli, got {len(self.conditions)}: "
                f"{', '.join(self.conditions)}. Take fewer systems, or another design."
            )

    def _check_claim(self) -> None:
        if self.claim is None:
            return
        others = [system for system in self.systems if system != self.baseline]
        check_choice("claim.system", self.claim.system, others)
        if self.claim.scale is not None:
            check_choice("claim.scale", self.claim.scale, [s.name for s in self.scales])
        most = {"gain": 10_000, "points": 3, "share": 100}[self.form.effect]
        check_number("claim.at_least", self.claim.at_least, NO_EFFECT[self.form.effect], most)

    @property
    def form(self) -> Design:
        """Its design, with the question of this study."""
        design = DESIGNS[self.design]
        if self.question is None:
            return design
        return replace(design, scales=(replace(design.scales[0], question=self.question),))

    @property
    def shown(self) -> str:
        """What a trial shows."""
        return DESIGNS[self.design].shown

    @property
    def scales(self) -> tuple[Scale, ...]:
        """What is asked."""
        return self.form.scales

    @property
    def has_anchor(self) -> bool:
        """Whether the low-pass anchor is among what is rated."""
        return self.shown == "all" and self.reference is not None and self.anchor_hz is not None

    @property
    def has_open_reference(self) -> bool:
        """Whether a trial shows the reference as such."""
        return self.shown == "all" and self.reference is not None and self.open_reference

    @property
    def conditions(self) -> tuple[str, ...]:
        """What is rated of each item; of a design of pairs, what is compared with the baseline."""
        if self.shown == "pair":
            return tuple(system for system in self.systems if system != self.baseline)
        hidden = () if self.reference is None else (self.reference,)
        return (*self.systems, *hidden, *((ANCHOR,) if self.has_anchor else ()))

    @property
    def trap_source(self) -> str:
        """The condition of which traps are made."""
        return self.systems[0] if self.reference is None else self.reference


def read_study(path: Path) -> Study:
    """Read STUDY.json.

    Raises:
        ClarionError: if it is missing, is no JSON, or does not describe a study.
    """
    return from_json(Study, read_json(path), path.name)


def _check_names(what: str, names: tuple[str, ...]) -> None:
    """Refuse names that come twice or that are no names of files."""
    for name in names:
        if not re.fullmatch(r"[\w][\w .+@=-]*", name):
            raise ClarionError(
                f"{what} must be names of files or folders, of letters, digits, spaces and "
                f"any of _.+@=-, got {name!r}."
            )
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ClarionError(f"{what} must differ, got {', '.join(map(repr, twice))} twice.")
    if not names:
        raise ClarionError(describe_unknown(what, "", []))
