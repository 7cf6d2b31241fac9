"""Imports point down the list of layers, and nowhere else."""

import ast
from pathlib import Path

import pytest

import clarion

SOURCE = Path(clarion.__path__[0])

LAYERS = [
    "base",
    "process",
    "denoise",
    "guide",
    "sample",
    "nets",
    "run",
    "train",
    "evaluate",
    "baselines",
    "verify",
    "lab",
    "tune",
    "domains",
    "listen",
    "cli",
    "web",
]
"""Each imports from those before it and from itself."""

NARROWER = {"nets": {"base", "nets"}}
"""Layers that may import less than their place allows."""


def imported_layers(source: str, package: list[str]) -> list[tuple[int, str]]:
    """Line and layer of every import of Clarion in `source`, wherever in the file it stands.

    `package` is the path of the package the file lies in, ["clarion", "guide"]. What is no layer is
    returned as "". A plain `import clarion` counts as what is then taken from it, `clarion.guide`.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names = [a.name for a in node.names if a.name != "clarion" or a.asname]
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            module = [*above, *((node.module or "").split(".") if node.module else [])]
            # "from clarion import guide" imports a layer, too.
            names = [".".join([*module, alias.name]) for alias in node.names]
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            names = [f"{node.value.id}.{node.attr}"]
        else:
            continue
        for name in names:
            root, _, rest = name.partition(".")
            if root == "clarion" and rest != "__version__":  # a string, in the package itself
                layer = rest.partition(".")[0]
                found.append((node.lineno, layer if layer in LAYERS else ""))
    return found


def offences(source: str, package: list[str]) -> list[str]:
    """What `source`, in `package`, imports though it may not."""
    layer = package[1]
    allowed = NARROWER.get(layer, set(LAYERS[: LAYERS.index(layer) + 1]))
    return [
        f"line {line}: {layer} imports {name or 'clarion itself'}"
        for line, name in imported_layers(source, package)
        if name not in allowed
    ]


def files() -> list[Path]:
    """All source files but the package's own `__init__`, which offers what users call for."""
    return sorted(set(SOURCE.rglob("*.py")) - {SOURCE / "__init__.py", SOURCE / "__main__.py"})


def test_every_folder_is_in_the_list():
    folders = {path.relative_to(SOURCE).parts[0] for path in files()}
    unknown = folders - set(LAYERS)
    assert not unknown, f"{sorted(unknown)} must stand in LAYERS, here and in docs/architecture.md."


@pytest.mark.parametrize("path", files(), ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_down(path):
    package = ["clarion", *path.relative_to(SOURCE).parts[:-1]]
    found = offences(path.read_text(encoding="utf-8"), package)
    assert not found, f"{path.relative_to(SOURCE)}: {'; '.join(found)}"


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("guide", "from clarion.sample import loop"),
        ("guide", "import clarion.sample.loop as loop"),
        ("guide", "from clarion import sample"),
        ("guide", "from clarion import load"),
        ("guide", "import clarion as c"),
        ("guide", "import clarion\nclarion.load('path')"),
        ("guide", "import clarion\nclarion.sample.loop.run()"),
        ("guide", "from ..sample import loop"),
        ("guide", "from .. import sample"),
        ("guide", "def f():\n    from clarion.sample import loop"),
        ("guide", "if TYPE_CHECKING:\n    from clarion.sample import loop"),
        ("guide", "import torch, clarion.web"),
        ("nets", "from clarion.process import Flow"),
        ("base", "from clarion.process.gaussian import Flow"),
    ],
)
def test_an_import_that_points_up_is_found(layer, source):
    assert len(offences(source, ["clarion", layer])) == 1


@pytest.mark.parametrize(
    ("package", "source"),
    [
        (["guide"], "from clarion.denoise import Estimate\nimport torch\nfrom torch import nn"),
        (["guide"], "from .rule import Guidance\nfrom ..base.errors import ClarionError"),
        (["guide"], "from clarion.guide.rule import Guidance"),
        (["nets"], "from clarion.base.names import NameTable\nfrom . import unet"),
        (["domains", "image"], "from ...base import errors\nfrom . import data\nfrom .. import t"),
        (["run"], "from clarion import __version__"),
        (["run"], "import clarion\nprint(clarion.__version__)"),
        (["sample"], "import clarionette.web\nfrom sample import clarion"),
    ],
)
def test_an_import_that_points_down_is_not(package, source):
    assert offences(source, ["clarion", *package]) == []
