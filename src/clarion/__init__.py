"""Clarion: conditional diffusion models on your own data, held against closed forms.

Example:
    import clarion

    model = clarion.load("runs/fashion")
    images = model.sample(n=16, condition={"label": 3}, guidance=clarion.guide.CFG(3.0))
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from clarion.base.version import VERSION

__version__ = VERSION

if TYPE_CHECKING:
    from clarion import base, denoise, domains, guide, nets, process, run, sample, train
    from clarion.run.classifier import load_classifier
    from clarion.run.model import Model

    load = Model.load

__all__ = [
    "Model",
    "__version__",
    "base",
    "denoise",
    "domains",
    "guide",
    "load",
    "load_classifier",
    "nets",
    "process",
    "run",
    "sample",
    "train",
]


def __dir__() -> list[str]:
    return __all__


def __getattr__(name: str) -> Any:
    """Import on first use, so that `import clarion` costs next to nothing."""
    if name == "Model":
        return importlib.import_module("clarion.run.model").Model
    if name == "load":
        return importlib.import_module("clarion.run.model").Model.load
    if name == "load_classifier":
        return importlib.import_module("clarion.run.classifier").load_classifier
    if name in __all__:
        return importlib.import_module(f"clarion.{name}")
    raise AttributeError(f"module 'clarion' has no attribute {name!r}")
