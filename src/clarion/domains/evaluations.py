"""The names of what `clarion evaluate` can measure."""

from __future__ import annotations

from collections.abc import Callable

from clarion.base.names import NameTable
from clarion.evaluate.evaluation import Evaluation


def _molecules() -> type[Evaluation]:
    from clarion.domains.sequence.molecules.evaluation import MoleculeEvaluation

    return MoleculeEvaluation


def _images() -> type[Evaluation]:
    from clarion.domains.image.evaluation import ImageEvaluation

    return ImageEvaluation


def _arrays() -> type[Evaluation]:
    from clarion.domains.array_evaluation import ArrayEvaluation

    return ArrayEvaluation


def _likelihood() -> type[Evaluation]:
    from clarion.domains.likelihood import LikelihoodEvaluation

    return LikelihoodEvaluation


def _speech() -> type[Evaluation]:
    from clarion.domains.audio.evaluation import SpeechEvaluation

    return SpeechEvaluation


EVALUATIONS: NameTable[Callable[[], type[Evaluation]]] = NameTable(
    "evaluation",
    {
        "arrays": _arrays,
        "images": _images,
        "likelihood": _likelihood,
        "molecules": _molecules,
        "speech": _speech,
    },
)
"""Each is imported only where it is asked for."""
