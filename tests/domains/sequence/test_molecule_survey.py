"""What is said of molecules before a training, against counts made by hand."""

from __future__ import annotations

import pytest

from clarion.domains.sequence.data import SequenceData
from clarion.domains.sequence.molecule_survey import MOST_MEASURED, MoleculeSurvey


def test_counts(table):
    file = table("m.csv", smiles=["CCO", "OCC", "C1CC", "c1ccccc1", "CN(C)(C)(C)C", "C1CC1"])
    config = SequenceData(str(file), alphabet="smiles")
    survey = config.describe(config.open()).molecules
    assert isinstance(survey, MoleculeSurvey)
    assert (survey.count, survey.num_valid, survey.num_different) == (6, 4, 3)
    assert [problem.split(":")[0] for problem in survey.problems] == [
        f"{file}, line 4",
        f"{file}, line 6",
    ]
    assert survey.properties["rings"] == pytest.approx({"5%": 0, "median": 0.5, "95%": 1})
    lines = survey.in_words().splitlines()
    assert lines[0] == "4 of 6 valid, 3 different"
    assert "  rings: 5% 0, median 0.5, 95% 1" in lines


def test_of_other_texts_nothing_is_said(table):
    config = SequenceData(str(table("p.csv", sequence=["ARND", "AR"])))
    assert config.describe(config.open()).molecules is None


def test_of_many_some_are_measured():
    survey = MoleculeSurvey.of(["C" * (1 + i % 30) for i in range(2 * MOST_MEASURED + 1)], str)
    assert survey.num_measured == 667  # each third
    assert survey.in_words().startswith("all 2,001 valid, 30 different\n")
    assert "(of 667)" in survey.in_words()


def test_where_there_is_no_molecule():
    survey = MoleculeSurvey.of(["C1CC"], str)
    assert (survey.num_valid, survey.properties) == (0, {})
    assert survey.in_words().startswith("0 of 1 valid, 0 different\n  0: 'C1CC' is no molecule")
