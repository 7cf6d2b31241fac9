"""How texts are cut into tokens, and which tokens there are."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from clarion.base.names import NameTable
from clarion.base.vocabulary import Vocabulary, cut

ANY_CHARACTER = re.compile(r".", re.DOTALL)


@dataclass(frozen=True)
class Alphabet:
    """A rule for tokens.

    Args:
        piece: matches one token.
        tokens: all that there are, in the order of their numbers; () for those of the data, sorted.
    """

    piece: re.Pattern[str] = ANY_CHARACTER
    tokens: tuple[str, ...] = ()

    def cut(self, text: str) -> list[str]:
        """A text as its tokens; a ClarionError names the place of what is none."""
        return cut(text, self.piece)

    def vocabulary(self, found: Iterable[str], padding: str | None) -> Vocabulary:
        """The vocabulary of data in which these tokens are found; the padding is last."""
        fill = () if padding is None else (padding,)
        return Vocabulary((*(self.tokens or sorted(set(found))), *fill), padding)


def _letters(letters: str) -> Alphabet:
    return Alphabet(tokens=tuple(letters))


ALPHABETS: NameTable[Alphabet] = NameTable(
    "alphabet",
    {
        "auto": Alphabet(),
        "protein": _letters("ARNDCQEGHILKMFPSTWYV"),
        "dna": _letters("ACGT"),
        # Weininger 1988, doi 10.1021/ci00057a005: atoms in brackets, atoms without, ring closures,
        # bonds, branches, parts, and the arrow of reactions.
        "smiles": Alphabet(
            re.compile(r"\[[^][]+\]|Br|Cl|[BCNOPSFIbcnops*]|%\d\d|%\(\d+\)|\d|[-=#$:/\\~]|[().]|>")
        ),
        # Krenn et al. 2020, arXiv 1905.13741: each symbol stands in brackets.
        "selfies": Alphabet(re.compile(r"\[[^][]+\]|\.")),
    },
)
"""Name -> how texts are cut; `auto` takes each character for a token."""
