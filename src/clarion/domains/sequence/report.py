"""What is in a set of sequences, found before a model is trained on it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import torch
from rich.table import Table
from rich.text import Text

from clarion.base.errors import ClarionError
from clarion.domains.sequence.molecule_survey import MoleculeSurvey
from clarion.domains.sequence.notation import notation_of
from clarion.domains.sequence.sequence_set import SequenceSet
from clarion.domains.sequence.writing import in_smiles
from clarion.run.columns import describe_column
from clarion.run.duplicates import DuplicateReport

QUANTILES = {"shortest": 0.0, "5%": 0.05, "median": 0.5, "95%": 0.95, "longest": 1.0}
BATCH = 4096
MOST_TOKENS_SHOWN = 40


@dataclass(frozen=True)
class SequenceReport:
    """What is in a set of sequences.

    Args:
        count: number of sequences.
        length: of each in tokens, padding counted.
        lengths: name -> quantile of the lengths without padding.
        vocabulary: token -> how often it stands in all of them, the padding left out.
        padding: share of the tokens that fill up.
        duplicates: sequences that occur more than once.
        conditions: name -> what there is to say of each.
        unused: columns from which nothing is read.
        molecules: what there is to say of texts in SMILES or SELFIES, or why that is not known;
            None of other texts.
    """

    count: int
    length: int
    lengths: dict[str, float]
    vocabulary: dict[str, int]
    padding: float
    duplicates: DuplicateReport
    conditions: Mapping[str, Any] = field(default_factory=dict)
    unused: tuple[str, ...] = ()
    molecules: MoleculeSurvey | str | None = None

    @staticmethod
    def measure(sequences: SequenceSet) -> SequenceReport:
        """Read every sequence once and count."""
        vocabulary = sequences.vocabulary
        fill = -1 if vocabulary.padding is None else vocabulary.tokens.index(vocabulary.padding)
        counts = torch.zeros(vocabulary.size, dtype=torch.int64)
        lengths, keys = [], []
        for chosen in torch.arange(len(sequences)).split(BATCH):
            tokens = sequences.batch(chosen)[0].cpu()
            counts += torch.bincount(tokens.flatten(), minlength=vocabulary.size)
            lengths += (tokens != fill).sum(1).tolist()
            keys += [row.tobytes() for row in tokens.numpy().astype(np.int32)]
        return SequenceReport(
            count=len(sequences),
            length=sequences.length,
            lengths={name: float(np.quantile(lengths, q)) for name, q in QUANTILES.items()},
            vocabulary={
                t: n
                for t, n in zip(vocabulary.tokens, counts.tolist(), strict=True)
                if t != vocabulary.padding
            },
            padding=1 - sum(lengths) / (len(sequences) * sequences.length),
            duplicates=DuplicateReport.find(keys, sequences.name, sequences.known),
            conditions={name: dict(c.summary) for name, c in sequences.conditions.items()},
            unused=sequences.unused,
            molecules=_survey(sequences),
        )

    def to_json(self) -> dict[str, Any]:
        """The report as plain types, ready for `json.dumps`."""
        return asdict(self)

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 2))
        table.add_column(style="bold")
        table.add_column()
        table.add_row("sequences", f"{self.count:,}")
        table.add_row("length", self._lengths())
        table.add_row("tokens", Text(self._tokens()))
        table.add_row("padding", f"{self.padding:.1%} of all tokens" if self.padding else "none")
        repeated = self.duplicates.in_words("sequence", "with other conditions")
        table.add_row("duplicates", Text(repeated))
        if self.molecules is not None:
            of = self.molecules
            table.add_row("molecules", Text(of if isinstance(of, str) else of.in_words()))
        for name, summary in self.conditions.items():
            table.add_row(name, Text(describe_column(summary)))
        if self.unused:
            hint = " (read as conditions with --conditions NAME=KIND)" * (not self.conditions)
            table.add_row("not used", Text(f"columns {', '.join(self.unused)}{hint}"))
        return table

    def _lengths(self) -> str:
        if not self.padding:
            return f"{self.length} tokens each"
        spread = ", ".join(f"{name} {size:g}" for name, size in self.lengths.items())
        return f"{spread} tokens, filled up to {self.length}"

    def _tokens(self) -> str:
        total = sum(self.vocabulary.values())
        ordered = sorted(self.vocabulary.items(), key=lambda item: -item[1])
        shown = [
            f"{token if token.strip() else repr(token)} {100 * n / total:.3g}%"
            for token, n in ordered[:MOST_TOKENS_SHOWN]
        ]
        more = len(ordered) - MOST_TOKENS_SHOWN
        rest = [f"and {more} more, to {ordered[-1][1]:,} times"] if more > 0 else []
        return f"{len(ordered)} different: {', '.join(shown + rest)}"


def _survey(sequences: SequenceSet) -> MoleculeSurvey | str | None:
    vocabulary = sequences.vocabulary
    if notation_of(vocabulary) is None:
        return None
    texts: list[str] = []
    for chosen in torch.arange(len(sequences)).split(BATCH):
        texts += vocabulary.texts(sequences.batch(chosen)[0].cpu())
    try:
        return MoleculeSurvey.of(in_smiles(texts, vocabulary), sequences.name)
    except ClarionError as error:
        return f"not looked at: {error}"
