"""Who is left out, and why; decided by rules stated before the test, blind to what is compared.

Source: ITU-R BS.1534-3 2015, section 4.1.2.
"""

from __future__ import annotations

import numpy as np

from clarion.listen.records import TONES_TO_PASS
from clarion.listen.responses import Listener, Responses
from clarion.listen.study import ANCHOR


def reasons(responses: Responses) -> list[tuple[str, ...]]:
    """For each listener all reasons to leave him out; none for who stays."""
    study, rules = responses.study, responses.study.screening
    found: list[list[str]] = [_of_conduct(responses, listener) for listener in responses.listeners]
    if study.shown != "all" or study.reference is None:
        return [tuple(words) for words in found]
    (scale,) = study.scales
    ratings = responses.of(scale, study.reference)
    below = (ratings, ratings < rules.reference_below)
    tables = [(*below, f"rated the hidden reference under {rules.reference_below:g}")]
    if study.has_anchor:
        ratings = responses.of(scale, ANCHOR)
        above = (ratings, ratings > rules.anchor_above)
        tables.append((*above, f"rated the anchor over {rules.anchor_above:g}"))
    for ratings, misses, what in tables:
        counts = zip(misses.sum(1), np.isfinite(ratings).sum(1), strict=True)
        for words, (missed, rated) in zip(found, counts, strict=True):
            if missed > 1 and missed / rated > rules.share_of_items:
                words.append(f"{what} on {100 * missed / rated:.0f} % of the items")
    return [tuple(words) for words in found]


def _of_conduct(responses: Responses, listener: Listener) -> list[str]:
    rules = responses.study.screening
    found = []
    if listener.missed_traps > rules.max_missed_traps:
        found.append(f"missed {listener.missed_traps} of {responses.study.traps} traps")
    if rules.require_headphones:
        passed = (listener.tones_right or 0) >= TONES_TO_PASS
        if listener.device != "headphones" or (responses.study.headphone_check and not passed):
            found.append("did not pass the headphone check")
    return found
