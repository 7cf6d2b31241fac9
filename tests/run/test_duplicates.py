"""Duplicates against counts made by hand."""

from clarion.run.duplicates import DuplicateReport

KEYS = ["a", "b", "a", "c", "a", "b"]
KNOWN = [1, 2, 1, 3, 9, 2]


def test_what_repeats_an_earlier_one():
    found = DuplicateReport.find(KEYS, "row {}".format, KNOWN)
    assert (found.num_surplus, found.num_groups, found.num_conflicts) == (3, 2, 1)
    assert found.pairs == (("row 0", "row 2"), ("row 0", "row 4"), ("row 1", "row 5"))
    assert found.in_words("text", "of another score") == (
        "3 repeat an earlier text (2 groups), 1 of them of another score\n"
        "  row 0 = row 2\n  row 0 = row 4\n  row 1 = row 5"
    )


def test_few_are_named_and_all_are_counted():
    found = DuplicateReport.find(["x"] * 1500, str)
    assert (found.num_surplus, found.num_groups, found.num_conflicts) == (1499, 1, 0)
    assert found.in_words("text", "").splitlines()[0] == "1,499 repeat an earlier text (1 groups)"
    assert found.in_words("text", "").splitlines()[-1] == "  and 1,494 more"


def test_none():
    assert DuplicateReport.find("abc", str, KNOWN).in_words("text", "") == "none"
