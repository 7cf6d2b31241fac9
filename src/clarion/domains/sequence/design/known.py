"""What a table tells: sequences, and a number for each."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from clarion.base.condition import VectorEntry
from clarion.base.errors import ClarionError, DataError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.notation import notation_of
from clarion.domains.sequence.sequence_set import SequenceSet
from clarion.domains.sequence.writing import in_smiles
from clarion.run.examples import OnProgress

TARGET = "target"
"""Name of the condition that holds the number."""


@dataclass(frozen=True, eq=False)
class Known:
    """Sequences of which a number is known.

    Args:
        tokens: (n, length) int64.
        texts: the sequences as people write them; see `texts_of`.
        values: (n,) float64, in units of the table.
        vocabulary: what tokens stand for.
    """

    tokens: Tensor
    texts: tuple[str, ...]
    values: Tensor
    vocabulary: Vocabulary

    @staticmethod
    def of(examples: SequenceSet) -> Known:
        """All examples of a table with their target.

        Raises:
            DataError: for a row without a target, targets that are all alike, or fewer than two
                different sequences.
        """
        tokens, condition = examples.batch(torch.arange(len(examples)))
        present = condition.present[TARGET]
        if not present.all():
            row = int((~present).nonzero()[0])
            raise DataError(f"{examples.name(row)}: the target is missing; leave such rows out.")
        entry = examples.condition_spec[TARGET]
        assert isinstance(entry, VectorEntry), "see `with_target`"
        scaled = condition.values[TARGET][:, 0].double()
        std = float(entry.std[0])
        values = scaled * std + float(entry.mean[0])
        if not values.std() > 0:
            raise DataError(
                f"The target is {float(values[0]):g} in all {len(values)} sequences: what has more "
                "of it cannot be learnt from them."
            )
        # Conditions are kept in single precision, in deviations: so many digits of them are sure.
        values = values.round(decimals=6 - math.ceil(math.log10(std)))
        vocabulary = examples.vocabulary
        written = in_smiles(vocabulary.texts(tokens), vocabulary)
        texts = tuple(
            text or given
            for text, given in zip(_canonical(written, vocabulary), written, strict=True)
        )
        if len(set(texts)) < 2:
            raise DataError("Designs need at least 2 different sequences to learn from, got 1.")
        return Known(tokens, texts, values, vocabulary)

    def texts_of(self, tokens: Tensor) -> list[str]:
        """The sequences that tokens (n, length) stand for.

        Molecules are in canonical SMILES, and "" what is none.
        """
        return _canonical(
            in_smiles(self.vocabulary.texts(tokens), self.vocabulary), self.vocabulary
        )


def _canonical(texts: list[str], vocabulary: Vocabulary) -> list[str]:
    if notation_of(vocabulary) is None:
        return texts
    from clarion.domains.sequence.molecules.chemistry import canonical

    return [canonical(smiles) or "" for smiles in texts]


def with_target(data: SequenceData, column: str) -> SequenceData:
    """The same data with one number of each sequence as the condition `TARGET`.

    Raises:
        ClarionError: for a column whose name cannot be told from what `conditions` say of one.
    """
    if not column or set(column) & set(":=+,"):
        raise ClarionError(
            f"The target must be the name of one column without ':', '=', '+' and ',', got "
            f"{column!r}."
        )
    return replace(data, conditions=(*data.conditions, f"{TARGET}=vector:{column}"))


def open_known(data: SequenceData, column: str, on_progress: OnProgress | None = None) -> Known:
    """Read a table; see `Known.of`."""
    return Known.of(with_target(data, column).open(on_progress))
