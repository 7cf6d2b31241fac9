"""Functions of one's own, named on the command line by their file."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import FunctionType
from typing import Any

from clarion.base.errors import ClarionError
from clarion.base.names import describe_unknown


def load_function(text: str) -> Callable[..., Any]:
    """The function that is typed FILE.py#FUNCTION; the file is run.

    Raises:
        ClarionError: if there is no such file or function, or if the file fails.
    """
    file, _, name = text.rpartition("#")
    if not file or not name:
        raise ClarionError(f"A function is written FILE.py#FUNCTION, got {text!r}.")
    path = Path(file).expanduser()
    if not path.is_file():
        raise ClarionError(f"There is no file {path} to read the function {name} from.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise ClarionError(f"{path} is no Python file; its name must end in .py.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ClarionError(f"{path} fails: {type(error).__name__}: {error}") from error
    function = getattr(module, name, None)
    if function is None or not callable(function):
        known = [key for key, value in vars(module).items() if isinstance(value, FunctionType)]
        raise ClarionError(describe_unknown(f"function of {path}", name, known))
    return function
