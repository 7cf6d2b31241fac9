"""Functions out of files."""

import pytest

from clarion.base.errors import ClarionError
from clarion.run.functions import load_function


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "my_functions.py"
    path.write_text("FACTOR = 3\n\ndef bright(x):\n    return FACTOR * x\n")
    return path


def test_a_function_is_read_with_what_it_needs_of_its_file(file):
    assert load_function(f"{file}#bright")(2) == 6


def test_what_is_no_function_of_a_file_is_refused(file, tmp_path):
    with pytest.raises(ClarionError, match=r"written FILE\.py#FUNCTION, got 'x\.py'"):
        load_function("x.py")
    with pytest.raises(ClarionError, match=r"There is no file .*to read the function f from"):
        load_function(f"{tmp_path}/absent.py#f")
    with pytest.raises(ClarionError, match="Did you mean 'bright'"):
        load_function(f"{file}#brigt")
    with pytest.raises(ClarionError, match="Known: bright"):
        load_function(f"{file}#FACTOR")
    file.write_text("1 / 0\n")
    with pytest.raises(ClarionError, match="fails: ZeroDivisionError"):
        load_function(f"{file}#bright")
    other = tmp_path / "notes.txt"
    other.write_text("")
    with pytest.raises(ClarionError, match=r"name must end in \.py"):
        load_function(f"{other}#bright")
