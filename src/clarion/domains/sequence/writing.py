"""Write sequences to files that can be read as data again, and molecules as pictures, too."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from torch import Tensor

from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.notation import notation_of

Form: TypeAlias = Callable[[Sequence[int], Sequence[str]], str]
"""Called with the numbers of samples and their texts, gives what stands in the file."""

PICTURE = ".png"

LINE_WIDTH = 60  # letters in a line of FASTA


def write_samples(
    tokens: Tensor, path: Path, indices: Iterable[int], vocabulary: Vocabulary
) -> Path:
    """Write samples, by the ending of the path.

    .csv and .tsv have the columns `index` and `sequence`, .fasta and .fa records called
    `sample_INDEX`, .txt a sample in each line, or with a line "--- INDEX ---" before each where
    samples have several lines. Molecules are written in SMILES, and drawn if it is a .png.

    Args:
        tokens: (n, length) int64.
        path: the file; folders above it are made.
        indices: the number of each sample.
        vocabulary: what the tokens stand for.

    Raises:
        ClarionError: for an ending that is not known, or a sequence that FASTA cannot hold.
    """
    check_out(path, vocabulary)
    texts = in_smiles(vocabulary.texts(tokens), vocabulary)
    if path.suffix.lower() == PICTURE:
        from clarion.domains.sequence.molecules.drawing import draw

        content = draw(texts)
    else:
        content = FORMS[path.suffix.lower()](list(indices), texts).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def check_out(path: Path, vocabulary: Vocabulary) -> None:
    """Refuse a file that samples of these tokens cannot be written to.

    Raises:
        ClarionError: for an ending that is not known, or molecules without RDKit.
    """
    notation = notation_of(vocabulary)
    ending, known = path.suffix.lower(), [*FORMS, *([PICTURE] if notation else [])]
    if ending not in known:
        only = "" if ending != PICTURE else " Only molecules are drawn, of smiles or selfies."
        raise ClarionError(
            f"out must end in one of {' '.join(known)} (or .npz for numbers), got {str(path)!r}."
            f"{only}"
        )
    if notation == "selfies" or ending == PICTURE:
        import clarion.domains.sequence.molecules  # noqa: F401 - says what to install


def in_smiles(texts: list[str], vocabulary: Vocabulary) -> list[str]:
    """Samples as they are written: SELFIES as SMILES, all others as they are."""
    if notation_of(vocabulary) != "selfies":
        return texts
    from clarion.domains.sequence.molecules.chemistry import to_smiles

    return [to_smiles(text) for text in texts]


def refuse_to_read(path: Path | str, channels: int, sides: Sequence[int] | None = None) -> Tensor:
    """Say that sequences have neither masks nor measurements in files."""
    raise ClarionError(
        f"A model of sequences is given texts, not files; {path} is of no use to it."
    )


def _to_table(delimiter: str) -> Form:
    def write(indices: Sequence[int], texts: Sequence[str]) -> str:
        stream = io.StringIO()
        writer = csv.writer(stream, delimiter=delimiter, lineterminator="\n")
        writer.writerow(["index", "sequence"])
        writer.writerows(zip(indices, texts, strict=True))
        return stream.getvalue()

    return write


def _to_fasta(indices: Sequence[int], texts: Sequence[str]) -> str:
    records = []
    for index, text in zip(indices, texts, strict=True):
        if text != "".join(text.split()) or ">" in text:
            raise ClarionError(
                f"FASTA holds no spaces, no line breaks and no '>', as sample {index} does: "
                f"{text[:60]!r}. Write to a .csv file."
            )
        lines = [text[i : i + LINE_WIDTH] for i in range(0, len(text), LINE_WIDTH)]
        records.append("\n".join([f">sample_{index:06d}", *lines]) + "\n")
    return "".join(records)


def _to_text(indices: Sequence[int], texts: Sequence[str]) -> str:
    if not any("\n" in text for text in texts):
        return "".join(f"{text}\n" for text in texts)
    pairs = zip(indices, texts, strict=True)
    return "".join(f"--- {index} ---\n{text}\n" for index, text in pairs)


FORMS: Mapping[str, Form] = {
    ".csv": _to_table(","),
    ".tsv": _to_table("\t"),
    ".fasta": _to_fasta,
    ".fa": _to_fasta,
    ".txt": _to_text,
}
"""Ending -> what makes the content of such a file."""
