"""Which texts are molecules, by their tokens."""

from __future__ import annotations

import pytest

from clarion.base.normalizer import Normalizer
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.alphabets import ALPHABETS
from clarion.domains.sequence.notation import are_selfies, notation_of


@pytest.mark.parametrize(
    ("texts", "notation"),
    [
        (["CC(=O)[O-]", "c1ccccc1Cl"], "smiles"),
        (["[C][=Branch1][C][=O]", "[C].[O-1]"], "selfies"),
        (["ARND"], None),
        (["ACGT"], None),
        (["Call me Ishmael."], None),
    ],
)
def test_of_tokens(texts, notation):
    cut = ALPHABETS["auto" if notation is None else notation].cut
    assert notation_of(Vocabulary.of(texts, cut, "<pad>")) == notation


def test_of_numbers():
    assert notation_of(Normalizer((0.0,), (1.0,))) is None


def test_of_columns():
    assert are_selfies(["[C][C]", "[C].[O]"])
    assert not are_selfies(["[C][C]", "CC"])
    assert not are_selfies(["[NH4+].Cl"])
