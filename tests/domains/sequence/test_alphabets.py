"""Texts cut into tokens: nothing is lost, and atoms stay whole."""

from __future__ import annotations

import itertools
import random

import pytest
import torch

from clarion.base.errors import ClarionError, UnknownNameError
from clarion.base.vocabulary import PADDING
from clarion.domains.sequence.alphabets import ALPHABETS

SMILES = ALPHABETS["smiles"]

MOLECULES = {
    "CCO": ["C", "C", "O"],
    "ClCCBr": ["Cl", "C", "C", "Br"],
    "c1ccc2[nH]ccc2c1": [*"c1ccc2", "[nH]", *"ccc2c1"],
    "C[C@@H](N)C(=O)[O-]": ["C", "[C@@H]", *"(N)C(=O)", "[O-]"],
    "F/C=C\\F": ["F", "/", "C", "=", "C", "\\", "F"],
    "C%12CC%12": ["C", "%12", "C", "C", "%12"],
    "[13CH4].[Na+]": ["[13CH4]", ".", "[Na+]"],
    "N#Cc1sc(I)nc1P": [*"N#Cc1sc(I)nc1P"],
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C": [*"Cn1cnc2c1c(=O)n(C)c(=O)n2C"],
    "[Se]1C=CC=C1": ["[Se]", *"1C=CC=C1"],
    "OB(O)c1ccccc1": [*"OB(O)c1ccccc1"],
    "CC>>CO": [*"CC>>CO"],
    "*C*": ["*", "C", "*"],
}

ATOMS = ["C", "N", "O", "Cl", "Br", "c", "n", "[nH]", "[C@H]", "[N+]", "S", "P", "B", "F", "I"]
LINKS = ["", "=", "#", "-", "/", "\\", "(", ")", "1", "2", "%10", "."]


@pytest.mark.parametrize("smiles", MOLECULES)
def test_atoms_stay_whole(smiles):
    assert SMILES.cut(smiles) == MOLECULES[smiles]


def test_the_vocabulary_reads_what_the_rule_of_smiles_cuts():
    """The longest match in a fitted vocabulary gives the same tokens, for molecules and for any
    string of their parts.
    """
    rng = random.Random(0)
    random_ones = [
        [part for _ in range(rng.randint(1, 20)) for part in (rng.choice(ATOMS), rng.choice(LINKS))]
        for _ in range(400)
    ]
    texts = [*MOLECULES, *map("".join, random_ones)]
    pieces = [SMILES.cut(text) for text in texts]
    assert pieces[len(MOLECULES) :] == [[p for p in parts if p] for parts in random_ones]
    assert list(map("".join, pieces)) == texts
    vocabulary = SMILES.vocabulary(itertools.chain(*pieces), PADDING)
    for text, tokens in zip(texts, pieces, strict=True):
        numbers = vocabulary.numbers(text, 41)
        assert [vocabulary.tokens[n] for n in numbers[: len(tokens)]] == tokens
        assert vocabulary.texts(torch.tensor([numbers])) == [text]


def test_fixed_alphabets_keep_their_order():
    vocabulary = ALPHABETS["protein"].vocabulary({"A", "C"}, None)
    assert "".join(vocabulary.tokens) == "ARNDCQEGHILKMFPSTWYV"
    assert ALPHABETS["dna"].vocabulary({"T"}, "_").tokens == ("A", "C", "G", "T", "_")
    assert ALPHABETS["auto"].vocabulary({"z", "a"}, "_").tokens == ("a", "z", "_")


def test_characters():
    text = "It's\n\t“é” 漢.\r"
    assert ALPHABETS["auto"].cut(text) == list(text)
    assert ALPHABETS["selfies"].cut("[C][=C][Branch1].[O]") == [
        "[C]",
        "[=C]",
        "[Branch1]",
        ".",
        "[O]",
    ]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("smiles", "CCXC", "unknown letter 'X' in place 3 of 'CCXC'"),
        ("smiles", "C[nH", r"unknown letter '\[' in place 2"),
        ("smiles", "C C", "unknown letter ' ' in place 2"),
        ("selfies", "[C]O", "unknown letter 'O' in place 4"),
    ],
)
def test_what_is_no_token_is_named(name, text, message):
    with pytest.raises(ClarionError, match=message):
        ALPHABETS[name].cut(text)


def test_unknown_alphabets_are_refused():
    with pytest.raises(UnknownNameError, match=r"Unknown alphabet 'smile'. Did you mean 'smiles'"):
        ALPHABETS["smile"]
