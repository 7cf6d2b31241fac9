"""Which sequences to train on: the config that is saved with a run, and how it is opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from clarion.base.errors import DataError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.alphabets import ALPHABETS
from clarion.domains.sequence.molecule_table import MoleculeTable
from clarion.domains.sequence.notation import NOTATIONS, notation_of
from clarion.domains.sequence.reading import read_rows, read_windows
from clarion.domains.sequence.report import SequenceReport
from clarion.domains.sequence.sequence_set import SequenceSet
from clarion.domains.sequence.sources import TEXT_ENDING, check_file, find_column, open_rows
from clarion.run.columns import ColumnReader, parse_requests
from clarion.run.columns.delimited import ending_of
from clarion.run.examples import DataConfig, Fitted, OnProgress

TEXT_LENGTH = 256


@dataclass(frozen=True)
class SequenceData(DataConfig):
    """Proteins, molecules or texts, and how they are cut into tokens.

    Args:
        source: a table (.csv, .tsv, .parquet), a FASTA file (.fasta, .fa, .faa, .fna), or one long
            text (.txt), which is cut into windows. All but parquet may be compressed (.csv.gz).
        column: of the sequences in a table; None takes "sequence", "smiles" or "text", else the
            only column of texts.
        length: in tokens. Shorter sequences are filled up, longer ones are refused. None takes
            that of the longest, and for a long text 256.
        stride: from the beginning of one window of a long text to that of the next, in tokens;
            None takes `length`, so that they do not overlap.
        alphabet: what a token is: "auto" (a character), "protein" (the 20 amino acids), "dna",
            "smiles" (atoms, bonds, rings and branches), "selfies" (symbols in brackets).
        conditions: what a model shall be conditioned on, out of other columns: NAME=KIND or
            NAME=KIND:COLUMN, such as "target=vector:score,units=log" or "family=class".
    """

    domain: ClassVar[str] = "sequence"

    source: str
    column: str | None = None
    length: int | None = None
    stride: int | None = None
    alphabet: str = "auto"
    conditions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.source:
            raise DataError("source must name a table, a FASTA file or a text.")
        for name in ("length", "stride"):
            size = getattr(self, name)
            if size is not None and size < 1:
                raise DataError(f"{name} must be at least 1 token, got {size}.")
        ALPHABETS[self.alphabet]  # an unknown name is refused here
        parse_requests(self.conditions)
        if self._is_text and (self.conditions or self.column is not None):
            raise DataError(
                f"{self.source} is one long text and has no columns, so column and conditions do "
                "not apply; for those give a table (.csv)."
            )
        if self.stride is not None and not self._is_text:
            raise DataError(f"stride is for one long text (.txt), and {self.source} is none.")

    @property
    def requests(self) -> dict[str, ColumnReader]:
        """Which conditions are read from columns, and how."""
        return parse_requests(self.conditions)

    def open(
        self, on_progress: OnProgress | None = None, fitted: Fitted | None = None
    ) -> SequenceSet:
        """Read and check all sequences, into memory.

        Args:
            on_progress: called with (sequences done, sequences in all) while reading.
            fitted: on the data to train on, where these are others: they are read by its
                vocabulary, length and conditions; None fits all on these.

        Raises:
            DataError: if there is no such file, it cannot be used as it is, or holds what those to
                train on do not.
        """
        file = Path(self.source).expanduser()
        check_file(file)
        alphabet, length = ALPHABETS[self.alphabet], self.length
        if fitted is not None:
            if length is not None and fitted.shape != (length,):
                raise DataError(
                    f"length is {length} for {self.source}, and {fitted.shape[0]} for the data to "
                    "train on; leave it out."
                )
            length = fitted.shape[0]
        if self._is_text:
            length = TEXT_LENGTH if length is None else length
            stride = self.stride or length
            return read_windows(
                file, alphabet=alphabet, length=length, stride=stride, fitted=fitted
            )
        source = open_rows(file)
        column = find_column(source, str(file), self.column)
        notation = NOTATIONS.get(self.alphabet) if fitted is None else notation_of(fitted.codec)
        if notation is not None:
            source = MoleculeTable(source, str(file), column, notation, on_progress)
        return read_rows(
            source,
            str(file),
            column=column,
            alphabet=alphabet,
            length=length,
            requests=self.requests,
            fitted=fitted,
            on_progress=on_progress,
        )

    def fit_codec(self, examples: SequenceSet) -> Vocabulary:
        """The vocabulary."""
        return examples.vocabulary

    def describe(self, examples: SequenceSet) -> SequenceReport:
        """Count, lengths, tokens and how frequent each is, padding, duplicates, conditions."""
        return SequenceReport.measure(examples)

    @property
    def _is_text(self) -> bool:
        return ending_of(self.source) == TEXT_ENDING
