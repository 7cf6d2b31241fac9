"""Properties of molecules as rewards of tokens, for samplers that draw more of what has much.

No model needs to have been told of the property, and nothing is trained: particles ask RDKit
itself (`sample.ParticleSampler`).
"""

from __future__ import annotations

import torch
from torch import Tensor

from clarion.base.condition import Condition
from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.molecules.chemistry import parse
from clarion.domains.sequence.molecules.properties import PROPERTIES
from clarion.domains.sequence.writing import in_smiles
from clarion.guide.gradient.reward_function import RewardFunction


def property_reward(vocabulary: Vocabulary, name: str, otherwise: float = 0.0) -> RewardFunction:
    """A property of the molecules that tokens stand for.

    Args:
        vocabulary: of SMILES or SELFIES, that of a model: `model.codec`.
        name: of the property, in `PROPERTIES`.
        otherwise: what a text is worth that is no molecule.

    Returns:
        A function of tokens (batch, length) and their condition, which gives (batch,) float64.

    Raises:
        ClarionError: for an unknown property.
    """
    value = PROPERTIES[name]

    def of(smiles: str) -> float:
        try:
            return float(value(parse(smiles)))
        except ClarionError:
            return otherwise

    def reward(tokens: Tensor, condition: Condition | None) -> Tensor:
        texts = in_smiles(vocabulary.texts(tokens), vocabulary)
        values = {text: of(text) for text in set(texts)}  # particles are often alike
        return torch.tensor([values[text] for text in texts], dtype=torch.float64).to(tokens.device)

    reward.__name__ = name
    return reward
