"""Tables of names and what their misses say."""

import pytest

from clarion.base.errors import ClarionError, UnknownNameError
from clarion.base.names import NameTable, describe_unknown

TABLE = NameTable("sampler", {"euler": 1, "heun": 2, "dpmpp_2m": 3})


def test_known_names():
    assert (TABLE["heun"], len(TABLE), list(TABLE)) == (2, 3, ["euler", "heun", "dpmpp_2m"])
    assert "euler" in TABLE
    assert "huen" not in TABLE


def test_a_miss_says_what_was_meant():
    expected = "Unknown sampler 'huen'. Did you mean 'heun'? Known: euler, heun, dpmpp_2m."
    with pytest.raises(UnknownNameError) as error:
        TABLE["huen"]
    assert str(error.value) == expected


@pytest.mark.parametrize("name", ["zzz", "", None, 3, ["zzz"]])
def test_a_miss_far_from_all_names_gives_no_hint(name):
    with pytest.raises(ClarionError, match=r"Unknown sampler .*\. Known: euler, heun, dpmpp_2m\."):
        TABLE[name]


def test_an_empty_table_says_so():
    assert describe_unknown("recipe", "x", []) == "Unknown recipe 'x'. Known: none."


def test_name_of_a_thing_or_of_its_class():
    class Heun:
        pass

    table = NameTable("sampler", {"heun": Heun})
    assert table.name_of(Heun) == table.name_of(Heun()) == "heun"
    with pytest.raises(UnknownNameError, match=r"object stands in no row .* sampler names"):
        table.name_of(object())


def test_a_table_does_not_change_with_what_it_was_made_of():
    entries = {"a": 1}
    table = NameTable("thing", entries)
    entries["b"] = 2
    assert list(table) == ["a"]
