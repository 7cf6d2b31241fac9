"""Sequences in the rows of tables: what is read, what is known of them, what is refused."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from clarion.base.condition import ClassEntry, VectorEntry
from clarion.base.errors import ClarionError, DataError
from clarion.base.normalizer import Normalizer
from clarion.base.vocabulary import PADDING, Vocabulary
from clarion.domains.sequence.data import SequenceData
from clarion.domains.tables import DATA
from clarion.run.examples import DataConfig, Fitted
from clarion.run.serialize import TABLES, from_json, to_json

SEQUENCES = ["ACGT", "AC", "TTTA", "G", "CAT"]
SCORES = [1.0, "", 3.0, 2.5, ""]
FAMILIES = ["left", "right", "", "left", "left"]
ASKED = ("target=vector:score,units=log", "family=class")


@pytest.fixture
def config(table):
    file = table("genes.csv", sequence=SEQUENCES, score=SCORES, family=FAMILIES, note=["x"] * 5)
    return SequenceData(str(file), alphabet="dna", conditions=ASKED)


def fitted_on(config: SequenceData) -> Fitted:
    examples = config.open()
    return Fitted(examples.condition_spec, examples.shape, config.fit_codec(examples))


def texts(config: SequenceData) -> list[str]:
    examples = config.open()
    return examples.vocabulary.texts(examples.batch(torch.arange(len(examples)))[0])


def test_tokens_stand_in_the_rows_in_which_they_were(config):
    examples = config.open()
    assert (len(examples), examples.shape) == (5, (4,))
    assert examples.vocabulary == Vocabulary((*"ACGT", PADDING), PADDING)
    assert config.fit_codec(examples) is examples.vocabulary
    expected = torch.tensor([[0, 1, 2, 3], [0, 1, 4, 4], [3, 3, 3, 0], [2, 4, 4, 4], [1, 0, 3, 4]])
    for order in (torch.arange(5), torch.tensor([3, 0, 3, 4]), torch.empty(0, dtype=torch.int64)):
        tokens, condition = examples.batch(order)
        assert tokens.dtype == torch.int64
        assert torch.equal(tokens, expected[order])
        assert torch.equal(condition.values["family"], torch.tensor([0, 1, 0, 0, 0])[order])
    assert texts(config) == SEQUENCES
    assert examples.tokens.dtype == torch.uint8


def test_what_is_known_and_what_is_absent(config):
    examples = config.open()
    assert examples.condition_spec["family"] == ClassEntry(2, ("left", "right"))
    entry = examples.condition_spec["target"]
    assert isinstance(entry, VectorEntry)
    mean, std = np.mean([1, 3, 2.5]), np.std([1, 3, 2.5])
    np.testing.assert_allclose([entry.mean[0], entry.std[0]], [mean, std], rtol=1e-12)
    condition = examples.batch(torch.arange(5))[1]
    assert condition.present["target"].tolist() == [True, False, True, True, False]
    assert condition.present["family"].tolist() == [True, True, False, True, True]
    expected = [(1 - mean) / std, 0, (3 - mean) / std, (2.5 - mean) / std, 0]
    np.testing.assert_allclose(condition.values["target"][:, 0], expected, rtol=1e-6, atol=1e-12)
    assert examples.unused == ("note",)


def test_moving_keeps_all(config):
    examples = config.open()
    moved = examples.to("cpu")
    order = torch.tensor([4, 0, 2])
    (one, known), (two, again) = examples.batch(order), moved.batch(order)
    assert torch.equal(one, two)
    for name, value in known.values.items():
        assert torch.equal(value, again.values[name])


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.csv.gz", "t.tsv.gz"])
def test_tables_of_any_form_are_the_same(table, name):
    file = table(name, smiles=["CCl", "C", "[nH]"], id=[7, 8, 9])
    examples = SequenceData(str(file), alphabet="smiles").open()
    assert examples.vocabulary.tokens == ("C", "Cl", "[nH]", PADDING)
    assert examples.shape == (2,)
    assert texts(SequenceData(str(file), alphabet="smiles")) == ["CCl", "C", "[nH]"]
    assert examples.name(2) == f"{file}, line 4"


def test_parquet(tmp_path, monkeypatch):
    datasets, pa = pytest.importorskip("datasets"), pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    columns = {"name": ["a", "b", "c"], "text": ["ab", "ba", "b"], "x": [1.0, float("nan"), None]}
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    config = SequenceData(str(tmp_path / "t.parquet"), conditions=("x=vector",))
    examples = config.open()
    assert texts(config) == ["ab", "ba", "b"]
    assert examples.batch(torch.arange(3))[1].present["x"].tolist() == [True, False, False]
    assert examples.name(1) == f"{tmp_path / 't.parquet'}, row 1"
    with pytest.raises(DataError, match=r"row 0, column 'x': a sequence must be a text, got 1.0"):
        SequenceData(str(tmp_path / "t.parquet"), column="x").open()


def test_the_column_is_found(table):
    two = ["AB", "BA"]
    for columns in (
        {"score": [1, 2], "Sequence": two, "note": two},
        {"id": [1, 2], "peptide": two},
    ):
        assert texts(SequenceData(str(table("t.csv", **columns)))) == two
    file = str(table("t.csv", one=two, other=["C", "D"], score=[1, 2]))
    assert texts(SequenceData(file, column="other")) == ["C", "D"]
    with pytest.raises(DataError, match=r"several columns of texts \(one, other\); .*--column"):
        SequenceData(file).open()
    with pytest.raises(DataError, match=r"Unknown column 'othr'. Did you mean 'other'"):
        SequenceData(file, column="othr").open()
    with pytest.raises(DataError, match=r"no column of texts; .* Known: id, x"):
        SequenceData(str(table("t.csv", id=[1, 2], x=["", ""]))).open()


def test_validation_data_are_read_as_those_to_train_on(config, table):
    fitted = fitted_on(config)
    file = str(table("other.csv", sequence=["TC"], score=[9], family=["right"]))
    other = SequenceData(file, alphabet="dna", conditions=ASKED)
    examples = other.open(fitted=fitted)
    assert examples.vocabulary == fitted.codec
    assert examples.condition_spec == fitted.condition_spec
    tokens, condition = examples.batch(torch.arange(1))
    assert tokens.tolist() == [[3, 1, 4, 4]]
    assert condition.values["family"].tolist() == [1]
    with pytest.raises(
        DataError, match=r"length is 3 for .*other.csv, and 4 for the data to train"
    ):
        SequenceData(file, length=3).open(fitted=fitted)


def test_the_vocabulary_cuts_validation_data_whatever_their_alphabet(table):
    molecules = str(table("train.csv", smiles=["CCl", "C[nH]Br"]))
    fitted = fitted_on(SequenceData(molecules, alphabet="smiles"))
    examples = SequenceData(str(table("other.csv", smiles=["[nH]BrCl"]))).open(fitted=fitted)
    assert fitted.codec.texts(examples.batch(torch.arange(1))[0]) == ["[nH]BrCl"]
    assert examples.shape == fitted.shape == (3,)


def test_validation_data_that_are_others_are_refused(config, table):
    fitted = fitted_on(config)
    for sequence, family, message in [
        ("ACGTA", "left", r"line 2, column 'sequence': the sequence has 5 tokens, where at most 4"),
        (
            "ACN",
            "left",
            r"line 2, column 'sequence': unknown letter 'N' in place 3 of 'ACN'\. Known",
        ),
        ("ACG", "top", r"line 2, column 'family': Unknown class of family 'top'"),
    ]:
        file = str(table("other.csv", sequence=[sequence], family=[family], score=[1]))
        with pytest.raises(DataError, match=message):
            SequenceData(file, conditions=ASKED).open(fitted=fitted)
    exact = Fitted({}, (4,), Vocabulary(tuple("ACGT")))
    file = str(table("other.csv", sequence=["ACG"]))
    with pytest.raises(DataError, match=r"line 2.*has 3 tokens, where there must be exactly 4"):
        SequenceData(file).open(fitted=exact)
    with pytest.raises(DataError, match="These are sequences, and the data to train on are not"):
        SequenceData(file).open(fitted=Fitted({}, (4,), Normalizer((0.0,), (1.0,))))


def test_lengths(config, table):
    longer = SequenceData(config.source, alphabet="dna", length=6).open()
    assert longer.shape == (6,)
    assert longer.batch(torch.tensor([1]))[0].tolist() == [[0, 1, 4, 4, 4, 4]]
    same = SequenceData(str(table("t.csv", sequence=["AC", "GT"])), alphabet="dna").open()
    assert same.vocabulary.padding is None  # nothing to fill up, so there is nothing to learn of it
    with pytest.raises(DataError, match=r"line 2, .* 4 tokens, .* at most 3 .* has 4: set length"):
        SequenceData(config.source, length=3).open()


@pytest.mark.parametrize(
    ("columns", "settings", "message"),
    [
        ({"sequence": ["AC", "", "G"]}, {}, r"line 3, column 'sequence': the sequence is empty"),
        (
            {"sequence": ["AC", "AB"]},
            {"alphabet": "dna"},
            r"line 3, .*unknown letter 'B' in place 2",
        ),
        ({"sequence": ["AC", "AC"]}, {}, "must have at least 2 different sequences, got 1"),
        (
            {"sequence": ["A", "B"], "y": [1, "high"]},
            {"conditions": ("y=vector",)},
            r"line 3, column 'y': it must be a number, got 'high'",
        ),
        (
            {"sequence": ["A", "B"], "y": [1, "nan"]},
            {"conditions": ("y=vector",)},
            r"line 3, column 'y': it must be finite, .*got 'nan'",
        ),
        (
            {"sequence": ["A", "B"], "score": [1, 2]},
            {"conditions": ("y=vector:skore",)},
            r"Unknown column 'skore'. Did you mean 'score'",
        ),
    ],
)
def test_what_is_wrong_is_named_by_file_and_row(table, columns, settings, message):
    file = table("genes.csv", **columns)
    with pytest.raises(DataError, match=message) as caught:
        SequenceData(str(file), **settings).open()
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"source": ""}, "source must name a table"),
        ({"length": 0}, "length must be at least 1 token, got 0"),
        ({"source": "a.txt", "stride": 0}, "stride must be at least 1 token, got 0"),
        ({"alphabet": "rotein"}, "Unknown alphabet 'rotein'. Did you mean 'protein'"),
        ({"conditions": ("x=vektor",)}, "Did you mean 'vector'"),
        ({"stride": 3}, r"stride is for one long text \(.txt\), and a.csv is none"),
        ({"source": "a.txt.gz", "column": "x"}, "a.txt.gz is one long text and has no columns"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ClarionError, match=message):
        SequenceData(**({"source": "a.csv"} | settings))


def test_it_is_saved_with_a_run(config):
    tables = TABLES | {DataConfig: DATA}
    plain = json.loads(json.dumps(to_json(config, tables)))
    assert plain["kind"] == "sequence"
    assert from_json(DataConfig, plain, "config.json", tables) == config


def test_progress_ends_at_all(config):
    seen = []
    config.open(lambda done, total: seen.append((done, total)))
    assert seen == [(5, 5)]
