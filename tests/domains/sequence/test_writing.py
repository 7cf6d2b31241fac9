"""Samples in files, which are read as data again."""

from __future__ import annotations

import pytest
import torch

from clarion.base.errors import ClarionError
from clarion.base.vocabulary import Vocabulary
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.writing import refuse_to_read, write_samples

PROTEIN = Vocabulary((*"ACDE", "<pad>"), "<pad>")
TOKENS = torch.tensor([[0, 1, 2, 3] * 20, [3, 3, 4, 0] * 20, [2] * 80])
TEXTS = ["ACDE" * 20, "EE", "D" * 80]


@pytest.mark.parametrize("name", ["s.csv", "s.tsv", "s.fasta", "s.fa"])
def test_what_is_written_is_read_again(tmp_path, name):
    path = write_samples(TOKENS, tmp_path / "new" / name, [4, 7, 9], PROTEIN)
    assert path == tmp_path / "new" / name
    examples = SequenceData(str(path)).open()
    assert examples.vocabulary.texts(examples.batch(torch.arange(3))[0]) == TEXTS


def test_numbers_of_the_samples_are_kept(tmp_path):
    write_samples(TOKENS, tmp_path / "s.csv", [4, 7, 9], PROTEIN)
    assert (tmp_path / "s.csv").read_text().splitlines()[2] == "7,EE"
    write_samples(TOKENS, tmp_path / "s.fa", [4, 7, 9], PROTEIN)
    lines = (tmp_path / "s.fa").read_text().splitlines()
    assert lines[:5] == [">sample_000004", "ACDE" * 15, "ACDE" * 5, ">sample_000007", "EE"]


def test_cells_may_hold_anything(tmp_path):
    vocabulary = Vocabulary(tuple('",\n a'))
    tokens = torch.tensor([[0, 1, 2, 4], [4, 3, 0, 4]])
    path = write_samples(tokens, tmp_path / "s.csv", range(2), vocabulary)
    examples = SequenceData(str(path)).open()
    texts = examples.vocabulary.texts(examples.batch(torch.arange(2))[0])
    assert texts == ['",\na', 'a "a']
    with pytest.raises(ClarionError, match=r"FASTA holds no spaces, .* as sample 0 does: .*\.csv"):
        write_samples(tokens, tmp_path / "s.fasta", range(2), vocabulary)
    assert not (tmp_path / "s.fasta").exists()


def test_texts(tmp_path):
    write_samples(TOKENS, tmp_path / "s.txt", range(3), PROTEIN)
    assert (tmp_path / "s.txt").read_text().splitlines() == TEXTS
    lines = Vocabulary(("a", "\n"))
    write_samples(torch.tensor([[0, 1, 0], [1, 0, 0]]), tmp_path / "s.txt", [2, 5], lines)
    assert (tmp_path / "s.txt").read_text() == "--- 2 ---\na\na\n--- 5 ---\n\naa\n"


def test_other_endings_are_refused(tmp_path):
    for name in ("s.png", "folder"):
        with pytest.raises(ClarionError, match=rf"end in one of .csv .tsv .* got '.*{name}'"):
            write_samples(TOKENS, tmp_path / name, range(3), PROTEIN)
    with pytest.raises(ClarionError, match=r"is given texts, not files; mask.png is of no use"):
        refuse_to_read(tmp_path.relative_to(tmp_path) / "mask.png", 1)
