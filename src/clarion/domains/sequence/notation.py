"""The two notations of molecules, and which of them the tokens of a model are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal, TypeAlias

from clarion.base.codec import Codec
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.alphabets import ALPHABETS

Notation: TypeAlias = Literal["smiles", "selfies"]

NOTATIONS: Mapping[str, Notation] = {"selfies": "selfies", "smiles": "smiles"}
"""Name of an alphabet -> the notation; whatever is SELFIES is known as such first."""


def notation_of(codec: Codec) -> Notation | None:
    """The notation of whose symbols all tokens are; None for others.

    Example:
        >>> notation_of(Vocabulary(("C", "Cl", "=", "(", ")")))
        'smiles'
    """
    if isinstance(codec, Vocabulary):
        for name, notation in NOTATIONS.items():
            if all(ALPHABETS[name].piece.fullmatch(token) for token in codec.letters):
                return notation
    return None


def are_selfies(texts: Iterable[str]) -> bool:
    """Whether every text is a row of symbols in brackets: of SMILES hardly one is."""
    whole = ALPHABETS["selfies"].piece
    return all("".join(whole.findall(text)) == text for text in texts)
