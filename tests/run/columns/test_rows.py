"""Rows are chosen by their cells."""

from __future__ import annotations

import pytest

from clarion.base.errors import DataError
from clarion.run.columns.rows import check_rules, choose_rows


class Cells:
    def __len__(self) -> int:
        return 4

    def name(self, index: int) -> str:
        return f"row {index}"

    def cells(self, column: str) -> list[object]:
        return {"index": [0, "7", 12, None], "who": ["ann", "bob", "bob", "eve"]}[column]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ((), [0, 1, 2, 3]),
        (("index=0-7",), [0, 1]),
        (("index!=0-7",), [2, 3]),
        (("index=12,0",), [0, 2]),
        (("who=bob", "index!=7"), [2]),
        (("who!=ann,eve",), [1, 2]),
    ],
)
def test_all_rules_hold(rules, expected):
    assert choose_rows(Cells(), rules) == expected


def test_what_is_no_rule_is_refused():
    with pytest.raises(DataError, match="rows are written NAME=VALUES"):
        check_rules(("index<3",))
    with pytest.raises(DataError, match="leaves none of 4"):
        choose_rows(Cells(), ("who=tom",))
