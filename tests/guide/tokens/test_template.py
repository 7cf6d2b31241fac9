"""Sequences with gaps, as they are typed."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.vocabulary import PADDING, Vocabulary
from clarion.guide.tokens import Infill
from clarion.guide.tokens.template import read_template

DNA = Vocabulary(tuple("ACGT"))
PADDED = Vocabulary((*"ACGT", PADDING), PADDING)
SMILES = Vocabulary(("C", "Cl", "[nH]", "1", PADDING), PADDING)
SELFIES = Vocabulary(("[C]", "[=O]", "[Ring1]"))
CODE = Vocabulary(tuple("a{}2 "))


@pytest.mark.parametrize(
    ("template", "vocabulary", "expected"),
    [
        ("A{2}C", DNA, [0, None, None, 1]),
        ("AC{}", DNA, [0, 1, None, None, None, None]),
        ("{}AC", DNA, [None, None, None, None, 0, 1]),
        ("A{1}{}C", DNA, [0, None, None, None, None, 1]),
        ("A{}C{1}G", DNA, [0, None, None, 1, None, 2]),
        ("{}", DNA, [None] * 6),
        ("{6}", DNA, [None] * 6),
        ("ACGTA{}", DNA, [0, 1, 2, 3, 0, None]),
        ("A{1}CGTA{}", DNA, [0, None, 1, 2, 3, 0]),  # {} may stand for none
        ("A{2}", PADDED, [0, None, None, 4, 4, 4]),
        ("A{}", PADDED, [0] + [None] * 5),
        ("C[nH]1{1}Cl{}", SMILES, [0, 2, 3, None, 1, None]),
        ("[C]{1}[=O][Ring1]{}", SELFIES, [0, None, 1, 2, None, None]),
        ("{{2}}{}", CODE, [1, 3, 2, None, None, None]),
        ("{{{2}}}{{", CODE, [1, None, None, 2, 1]),
        ("a{1} {}", CODE, [0, None, 4, None, None, None]),
    ],
)
def test_known_tokens_and_gaps(template, vocabulary, expected):
    assert read_template(template, vocabulary, len(expected)) == expected
    rule = Infill.of(template, vocabulary, len(expected))
    assert rule.mask.tolist() == [token is not None for token in expected]
    assert rule.known[rule.mask].tolist() == [token for token in expected if token is not None]
    assert rule.known.dtype == torch.int64
    assert (
        repr(rule)
        == f"Infill({sum(t is not None for t in expected)} of {len(expected)} tokens known)"
    )


@pytest.mark.parametrize(
    ("template", "vocabulary", "message"),
    [
        ("AC{2}GN{}", DNA, "unknown letter 'N' in place 2 of 'GN'. Known: A C G T."),
        (
            "ACGTA{2}",
            DNA,
            "The template has 7 tokens, 2 of them free, and a sequence of this model has 6",
        ),
        (
            "ACGTACGT{}",
            PADDED,
            "The template has 8 tokens, 0 of them free, and a sequence of this model has 6",
        ),
        ("{999999}", DNA, "has 999999 tokens, 999999 of them free, and"),
        (
            "AC{2}",
            DNA,
            "4 tokens, 2 of them free, and a sequence of this model has exactly 6. Write {} where",
        ),
        ("AC", DNA, "has exactly 6. Write {} where the other 4 stand."),
        ("AC", PADDED, "The template 'AC' leaves nothing free. {5} stands for five free tokens"),
        ("ACGTAC{}", DNA, "leaves nothing free"),
        ("A{0}", PADDED, "leaves nothing free"),
        ("", PADDED, "The template '' leaves nothing free"),
        ("A{}C{}", DNA, "The template 'A{}C{}' has 2 gaps {}; all but one need their length."),
        ("A{x}", DNA, "The template 'A{x}' has a brace that is no gap. {5} stands"),
        ("A{2", DNA, "has a brace that is no gap"),
        ("A{-1}", DNA, "has a brace that is no gap"),
        ("A{ 2}", DNA, "has a brace that is no gap"),
        ("A{1000000}", DNA, "has a brace that is no gap"),
        ("A}" + "C" * 80, DNA, f"The template 'A}}{'C' * 58}...' has a brace"),
        ("a{{b", CODE, "unknown letter 'b' in place 3 of 'a{b'."),
        ("A<pad>{}", PADDED, "unknown letter '<' in place 2"),
    ],
)
def test_what_does_not_fit_is_named(template, vocabulary, message):
    with pytest.raises(ClarionError) as refused:
        Infill.of(template, vocabulary, 6)
    assert message in str(refused.value)
