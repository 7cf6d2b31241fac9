"""A sequence with gaps, as it is typed: "MK{5}GG{}"."""

from __future__ import annotations

import re
from itertools import chain

from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary, abridged

MARK = re.compile(r"(\{\{|\}\}|\{\d{0,6}\})")
"""A brace of the sequence itself, or a gap."""

HOW = "{5} stands for five free tokens, {} for all that are left, {{ for a brace of the sequence."


def read_template(template: str, vocabulary: Vocabulary, length: int) -> list[int | None]:
    """The numbers of the known tokens, and None in each place that is free.

    `{5}` is a gap of five tokens, and `{}`, once, one of all that are left. Without `{}` a template
    that is shorter than the samples is a whole sequence: behind it there is known to be padding. A
    brace of the sequence itself is written twice.

    Args:
        template: known tokens and gaps.
        vocabulary: what the tokens stand for.
        length: of the samples, in tokens.

    Raises:
        ClarionError: for a letter that is unknown, with its place; for a template that is too long,
            too short without there being a padding, or leaves nothing free.

    Example:
        >>> read_template("A{2}C", Vocabulary(tuple("ACGT")), length=4)
        [0, None, None, 1]
        >>> read_template("A{}CC", Vocabulary(tuple("ACGT")), length=6)
        [0, None, None, None, 1, 1]
    """
    parts = _parts(template)
    if parts.count(None) > 1:
        raise ClarionError(
            f"The template {abridged(template)} has {parts.count(None)} gaps {{}}; all but one "
            f"need their length. {HOW}"
        )
    try:
        pieces: list[list[int | None]] = [
            [*vocabulary.numbers(part)] if isinstance(part, str) else [None] * (part or 0)
            for part in parts
        ]
    except ClarionError as error:
        raise ClarionError(f"The template {abridged(template)}: {error}") from None
    stated = sum(map(len, pieces))
    room = length - stated
    if room < 0:
        raise ClarionError(
            f"The template has {stated} tokens, {_free(pieces)} of them free, and a sequence of "
            f"this model has {length}: shorten it."
        )
    if None in parts:
        pieces[parts.index(None)] = [None] * room
    elif room and vocabulary.padding is None:
        raise ClarionError(
            f"The template has {stated} tokens, {_free(pieces)} of them free, and a sequence of "
            f"this model has exactly {length}. Write {{}} where the other {room} stand. {HOW}"
        )
    elif room:
        pieces.append([*vocabulary.numbers("", room)])
    if not _free(pieces):
        raise ClarionError(f"The template {abridged(template)} leaves nothing free. {HOW}")
    return list(chain(*pieces))


def _parts(template: str) -> list[str | int | None]:
    """Texts, lengths of gaps, and None for the gap of all that are left."""
    parts: list[str | int | None] = [""]
    for piece in MARK.split(template):
        if piece in ("{{", "}}"):
            piece = piece[0]
        elif MARK.fullmatch(piece):
            parts += [int(piece[1:-1]) if piece != "{}" else None, ""]
            continue
        elif "{" in piece or "}" in piece:
            raise ClarionError(
                f"The template {abridged(template)} has a brace that is no gap. {HOW}"
            )
        parts[-1] = f"{parts[-1]}{piece}"
    return parts


def _free(pieces: list[list[int | None]]) -> int:
    return sum(piece.count(None) for piece in pieces)
