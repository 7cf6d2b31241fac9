"""`clarion evaluate molecules SAMPLES --reference DATA`: valid, unique, novel, and of what kind.

Drawn molecules, in SMILES or SELFIES, are held against those a model was trained on. Properties are
those of RDKit; `fcd` is the Fréchet ChemNet distance, 0 for the same distribution.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import tyro
from rdkit import rdBase

from clarion.base.errors import ClarionError, DataError
from clarion.domains.sequence.molecule_table import MoleculeTable
from clarion.domains.sequence.molecules.chemistry import canonical
from clarion.domains.sequence.molecules.drawing import draw
from clarion.domains.sequence.molecules.judge import (
    Molecule,
    fcd_metrics,
    judge,
    metrics,
    new_ones,
)
from clarion.domains.sequence.molecules.properties import PROPERTIES
from clarion.domains.sequence.sources import TEXT_ENDING, find_column, open_rows
from clarion.evaluate.evaluation import Evaluation
from clarion.evaluate.metric import MetricCard
from clarion.evaluate.versions import versions
from clarion.run.columns.delimited import ending_of
from clarion.run.examples import OnProgress
from clarion.run.files import write_bytes

MOST_DRAWN = 36


@dataclass(frozen=True)
class MoleculeEvaluation(Evaluation):
    """Which molecules, and what is wanted of them.

    Args:
        samples: a table of drawn molecules (.csv, .tsv, .parquet), such as `clarion sample` writes.
        reference: a table of known ones, usually those trained on; without it nothing is novel, and
            there is no distance.
        column: of the molecules, in both tables; None finds it.
        fcd: molecules on which the Fréchet ChemNet distance is measured, at most; 0 leaves it out.
            A core looks at some hundred a second, three times: the samples, and two parts of the
            reference.
        seed: of what is drawn from the reference for that.
        table: writes all molecules with what was found of each (.csv).
        picture: draws the first ones that are valid, and novel if there is a reference (.png).
    """

    samples: Annotated[str, tyro.conf.Positional]
    reference: str | None = None
    column: str | None = None
    fcd: int = 5000
    seed: int = 0
    table: Path | None = None
    picture: Path | None = None

    def __post_init__(self) -> None:
        if self.fcd < 0:
            raise ClarionError(f"fcd must be 0 or more, got {self.fcd}.")
        for name, ending in (("table", ".csv"), ("picture", ".png")):
            path = getattr(self, name)
            if path is not None and path.suffix.lower() != ending:
                raise ClarionError(f"{name} must end in {ending}, got {str(path)!r}.")

    def run(self, on_progress: OnProgress) -> MetricCard:
        texts = read_smiles(self.samples, self.column)
        known = None
        if self.reference is not None:
            known = _known(read_smiles(self.reference, self.column), self.reference)
        molecules = judge(texts, known and set(known), on_progress)
        found = metrics(molecules)
        if known is not None and self.fcd:
            valid = [m.canonical for m in molecules if m.canonical is not None]
            distances = fcd_metrics(valid, known, self.fcd, self.seed, on_progress)
            if valid and not distances:
                note = "too few for the Fréchet ChemNet distance"
                found["valid"] = replace(found["valid"], note=note)
            found |= distances
        if self.table is not None:
            _write(self.table, to_csv(molecules).encode())
        if self.picture is not None:
            drawn = [m.text for m in new_ones(molecules)][:MOST_DRAWN]
            if not drawn:
                raise ClarionError(f"{self.samples} has no molecule to draw.")
            _write(self.picture, draw(drawn))
        details = {"versions": versions("rdkit", "fcd-torch")}
        return MetricCard(self.samples, found, self._basis(known), details)

    def _basis(self, known: Sequence[str] | None) -> dict[str, Any]:
        """What two cards must share to be compared."""
        basis: dict[str, Any] = {"rdkit": rdBase.rdkitVersion}
        if known is not None:
            told = hashlib.sha256("\n".join(known).encode()).hexdigest()
            basis |= {"reference sha256": told, "reference n": len(known)}
            basis |= {"fcd": self.fcd, "seed": self.seed}
        return basis


def read_smiles(path: str, column: str | None) -> list[str]:
    """The molecules of a table in SMILES; "" for an empty cell.

    Raises:
        DataError: if it cannot be read.
    """
    file = Path(path).expanduser()
    if ending_of(file) == TEXT_ENDING:
        raise DataError(
            f"{file} is one long text; molecules are read from a table: write in its first line "
            "'smiles', and call it .csv."
        )
    source = open_rows(file)
    column = find_column(source, path, column)
    table = MoleculeTable(source, path, column, "smiles")
    return ["" if cell is None else str(cell) for cell in table.cells(column)]


def to_csv(molecules: Sequence[Molecule]) -> str:
    """A row for each: as it was drawn, what it is, and its properties."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["smiles", "canonical", "repeated", "known", *PROPERTIES])
    for m in molecules:
        flags = [m.is_repeated, m.is_known] if m.canonical is not None else [None, None]
        words = ["" if flag is None else str(flag).lower() for flag in flags]
        numbers = [f"{value:.6g}" for value in m.properties.values()] or [""] * len(PROPERTIES)
        writer.writerow([m.text, m.canonical or "", *words, *numbers])
    return stream.getvalue()


def _known(texts: Sequence[str], title: str) -> list[str]:
    """Canonical SMILES of a reference; what is no molecule there was never learnt as one."""
    found = [name for name in map(canonical, texts) if name is not None]
    if not found:
        raise DataError(f"{title} holds no molecule.")
    return found


def _write(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, content)
