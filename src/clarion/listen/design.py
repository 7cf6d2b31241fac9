"""The designs of a listening test: what a trial shows, what is asked of it, what is claimed of it.

Sources: ITU-R BS.1534-3 2015 (several stimuli on 0 to 100, hidden reference, anchor); ITU-T P.800
1996 (absolute and comparison categories); ITU-T P.835 2003 (speech, background, overall).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from clarion.base.names import NameTable

Shown: TypeAlias = Literal["all", "one", "pair"]
"""What a trial shows of an item: all its conditions, one of them, or one beside the baseline."""

Effect: TypeAlias = Literal["gain", "points", "share"]
"""What is claimed: by how many percent a mean rating is above that of the baseline; the mean answer
in points; the share of choices, in percent."""

NO_EFFECT: dict[Effect, float] = {"gain": 0.0, "points": 0.0, "share": 50.0}
"""The effect of a system that is no better than the baseline."""

EFFECT_WORDS: dict[Effect, str] = {
    "gain": "% above the baseline's mean rating",
    "points": "points above the baseline",
    "share": "% of choices",
}


@dataclass(frozen=True)
class Scale:
    """One question and its possible answers.

    Args:
        name: a short one.
        question: as it stands on the page.
        low: the least answer.
        high: the greatest.
        labels: (value, words), from the best to the worst. Of a scale of categories they are all
            the answers there are; of a continuous one, the middles of its parts.
        is_continuous: whether every whole number in low..high may be the answer.
    """

    name: str
    question: str
    low: int
    high: int
    labels: tuple[tuple[int, str], ...]
    is_continuous: bool = False

    def allows(self, value: int) -> bool:
        """Whether it is a possible answer."""
        if self.is_continuous:
            return self.low <= value <= self.high
        return any(value == allowed for allowed, _ in self.labels)


@dataclass(frozen=True)
class Design:
    """A form of test.

    Args:
        shown: what a trial shows.
        scales: what is asked of each stimulus, or of a pair; by default the last one is what a
            claim is about. Of a pair, values above 0 mean that the second is better.
        effect: what is claimed.
    """

    shown: Shown
    scales: tuple[Scale, ...]
    effect: Effect


QUALITY = ((5, "Excellent"), (4, "Good"), (3, "Fair"), (2, "Poor"), (1, "Bad"))

DESIGNS: NameTable[Design] = NameTable(
    "design",
    {
        "multi_stimulus": Design(
            "all",
            (
                Scale(
                    "clarity",
                    "How clear is the speech?",
                    0,
                    100,
                    ((90, "Excellent"), (70, "Good"), (50, "Fair"), (30, "Poor"), (10, "Bad")),
                    is_continuous=True,
                ),
            ),
            "gain",
        ),
        "acr": Design(
            "one", (Scale("clarity", "How clear is the speech?", 1, 5, QUALITY),), "gain"
        ),
        "p835": Design(
            "one",
            (
                Scale(
                    "SIG",
                    "Attend only to the speech. How distorted is it?",
                    1,
                    5,
                    (
                        (5, "Not distorted"),
                        (4, "Slightly distorted"),
                        (3, "Somewhat distorted"),
                        (2, "Fairly distorted"),
                        (1, "Very distorted"),
                    ),
                ),
                Scale(
                    "BAK",
                    "Attend only to the background. How noticeable is it?",
                    1,
                    5,
                    (
                        (5, "Not noticeable"),
                        (4, "Slightly noticeable"),
                        (3, "Noticeable but not intrusive"),
                        (2, "Somewhat intrusive"),
                        (1, "Very intrusive"),
                    ),
                ),
                Scale("OVRL", "How good is the clip overall, for talking?", 1, 5, QUALITY),
            ),
            "gain",
        ),
        "ccr": Design(
            "pair",
            (
                Scale(
                    "comparison",
                    "How clear is the speech of the second clip, compared with the first?",
                    -3,
                    3,
                    (
                        (3, "Much clearer"),
                        (2, "Clearer"),
                        (1, "Slightly clearer"),
                        (0, "About the same"),
                        (-1, "Slightly less clear"),
                        (-2, "Less clear"),
                        (-3, "Much less clear"),
                    ),
                ),
            ),
            "points",
        ),
        "ab": Design(
            "pair",
            (
                Scale(
                    "preference",
                    "In which clip is the speech clearer?",
                    -1,
                    1,
                    ((-1, "In the first"), (1, "In the second")),
                ),
            ),
            "share",
        ),
    },
)
