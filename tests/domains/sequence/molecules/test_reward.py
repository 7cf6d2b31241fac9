"""Properties as rewards, by hand."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.molecules.reward import property_reward

SMILES = Vocabulary(("1", "C", "O", "<pad>"), "<pad>")
SELFIES = Vocabulary(("[C]", "[O]", "[Ring1]", "<pad>"), "<pad>")


def tokens(vocabulary: Vocabulary, *texts: str) -> torch.Tensor:
    return torch.tensor([vocabulary.numbers(text, 6) for text in texts])


def test_of_both_notations():
    rings = property_reward(SMILES, "rings", otherwise=-1.0)
    given = tokens(SMILES, "C1CC1", "CCO", "C1CC", "CCO", "")
    assert rings(given, None).tolist() == [1, 0, -1, 0, -1]
    rings = property_reward(SELFIES, "rings")
    assert rings(tokens(SELFIES, "[C][C][C][Ring1][Ring1]", "[C][O]"), None).tolist() == [1, 0]
    with pytest.raises(ClarionError, match="Unknown property of molecules 'ring'"):
        property_reward(SMILES, "ring")
