"""Tables of molecules, read in either notation and with their properties."""

from __future__ import annotations

import sys

import pytest
import torch

from clarion.base.errors import ClarionError, DataError
from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.design.known import open_known
from clarion.domains.sequence.molecules.chemistry import canonical, to_selfies, to_smiles
from clarion.run.examples import Fitted

SMILES = ["CCO", "c1ccccc1O", "C1CC2CC1CC2", "C[N+](=O)[O-]"]
RINGS = [0, 1, 2, 0]


def texts(examples) -> list[str]:
    return examples.vocabulary.texts(examples.batch(torch.arange(len(examples)))[0])


@pytest.fixture
def no_rdkit(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if RDKit were not installed."""
    for name in [name for name in sys.modules if ".sequence.molecules" in name]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "rdkit", None)


def test_smiles_are_read_as_selfies_and_back(table):
    file = table("m.csv", smiles=SMILES)
    read = texts(SequenceData(str(file), alphabet="selfies").open())
    assert read == [to_selfies(smiles) for smiles in SMILES]
    again = table("s.csv", selfies=read)
    assert texts(SequenceData(str(again), alphabet="selfies").open()) == read
    back = texts(SequenceData(str(again), alphabet="smiles").open())
    assert [canonical(text) for text in back] == [canonical(smiles) for smiles in SMILES]
    assert back == [to_smiles(text) for text in read]


def test_other_data_are_read_in_the_notation_of_those_to_train_on(table):
    first = SequenceData(str(table("m.csv", smiles=SMILES)), alphabet="selfies").open()
    fitted = Fitted(first.condition_spec, first.shape, first.vocabulary)
    other = SequenceData(str(table("v.csv", smiles=SMILES[::-1]))).open(fitted=fitted)
    assert texts(other) == texts(first)[::-1]


@pytest.mark.parametrize("alphabet", ["smiles", "selfies"])
def test_properties_are_columns(table, alphabet):
    file = table("m.csv", smiles=SMILES, score=[1, 2, 3, 4])
    asked = ("rings=vector", "kind=class:rings", "score=vector")
    config = SequenceData(str(file), alphabet=alphabet, conditions=asked)
    progress = []
    examples = config.open(lambda *of: progress.append(of))
    _, condition = examples.batch(torch.arange(4))
    entry = examples.condition_spec["rings"]
    rings = condition.values["rings"][:, 0] * entry.std[0] + entry.mean[0]  # pyright: ignore
    torch.testing.assert_close(rings, torch.tensor(RINGS, dtype=torch.float32))
    assert condition.values["kind"].tolist() == RINGS
    assert (4, 4) in progress
    assert config.describe(examples).unused == ()


def test_a_column_of_the_table_comes_first(table):
    file = table("m.csv", smiles=SMILES, rings=[7, 8, 9, 7])
    config = SequenceData(str(file), alphabet="smiles", conditions=("rings=class",))
    entry = config.open().condition_spec["rings"]
    assert entry.num_classes == 10  # pyright: ignore


def test_designs_take_properties_as_targets(table):
    known = open_known(SequenceData(str(table("m.csv", smiles=SMILES)), alphabet="smiles"), "rings")
    torch.testing.assert_close(known.values, torch.tensor(RINGS).double(), atol=1e-6, rtol=0)


def test_an_unknown_column_names_properties_too(table):
    file = table("m.csv", smiles=SMILES)
    for alphabet, known in (("smiles", "smiles, qed, rings, logp, weight"), ("auto", "smiles")):
        config = SequenceData(str(file), alphabet=alphabet, conditions=("qde=vector",))
        with pytest.raises(DataError, match=rf"m.csv: Unknown column 'qde'.* Known: {known}\."):
            config.open()


def test_rows_that_cannot_be_used_are_named(table):
    file = table("m.csv", smiles=["CCO", "C1CC", ""])
    place = r"m.csv, line 3, column 'smiles': 'C1CC' is no molecule"
    for alphabet, conditions in (("selfies", ()), ("smiles", ("qed=vector",))):
        with pytest.raises(DataError, match=place):
            SequenceData(str(file), alphabet=alphabet, conditions=conditions).open()
    file = table("n.csv", smiles=["CCO", "CI(=O)=O"])
    with pytest.raises(
        DataError, match=r"line 3, column 'smiles': .* cannot be written as SELFIES"
    ):
        SequenceData(str(file), alphabet="selfies").open()
    file = table("o.csv", smiles=["CCO", ""], n=[1, 2])
    for alphabet in ("smiles", "selfies"):
        with pytest.raises(DataError, match="line 3, column 'smiles': the sequence is empty"):
            SequenceData(str(file), alphabet=alphabet, conditions=("qed=vector",)).open()


@pytest.mark.usefixtures("no_rdkit")
def test_without_rdkit_what_needs_no_chemistry_still_works(table):
    file = table("m.csv", smiles=SMILES, y=[1, 2, 3, 4])
    config = SequenceData(str(file), alphabet="smiles", conditions=("y=vector",))
    report = config.describe(config.open())
    assert report.molecules == (
        "not looked at: Molecules need the packages rdkit and selfies. "
        "Install them with: pip install 'clarion[molecules]'"
    )
    for alphabet, conditions in (("selfies", ()), ("smiles", ("qed=vector",))):
        with pytest.raises(ClarionError, match=r"pip install 'clarion\[molecules\]'"):
            SequenceData(str(file), alphabet=alphabet, conditions=conditions).open()
