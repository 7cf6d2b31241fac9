"""Everything that Clarion offers by name, held against known answers.

A chapter walks one table of names. So whatever is registered is examined, and what has no known
answer fails.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from clarion.base.errors import UnknownNameError
from clarion.base.names import NameTable, describe_unknown
from clarion.denoise.parametrization import PARAMETRIZATIONS
from clarion.guide.tables import GUIDANCE, TOKEN_GUIDANCE
from clarion.process.tables import GRIDS, PROCESSES
from clarion.sample.particles import ParticleSampler
from clarion.sample.sampler import Sampler
from clarion.sample.tables import SAMPLERS, TOKEN_SAMPLERS
from clarion.verify.finding import Finding
from clarion.verify.report import Report
from clarion.verify.suite.grids import examine_grid
from clarion.verify.suite.guidance import examine_guidance
from clarion.verify.suite.parametrizations import examine_parametrization
from clarion.verify.suite.particles import examine_particles
from clarion.verify.suite.posteriors import POSTERIORS, examine_posterior
from clarion.verify.suite.processes import examine_process
from clarion.verify.suite.samplers import examine_sampler
from clarion.verify.suite.token_guidance import examine_token_guidance
from clarion.verify.suite.token_samplers import examine_token_sampler
from clarion.verify.suite.tokens import UNMASKERS, examine_unmasker


@dataclass(frozen=True)
class Chapter:
    """All names of one table.

    Args:
        table: name -> thing.
        examine: (name, thing) -> what was found.
    """

    table: NameTable[Any]
    examine: Callable[[str, Any], Report]


def _examine_sampler(name: str, cls: type[Sampler]) -> Report:
    if issubclass(cls, ParticleSampler):  # there is none without a reward
        return examine_particles(name, cls)
    return examine_sampler(name, cls())


CHAPTERS: NameTable[Chapter] = NameTable(
    "chapter",
    {
        "process": Chapter(PROCESSES, lambda name, cls: examine_process(name, cls())),
        "grid": Chapter(GRIDS, lambda name, cls: examine_grid(name, cls())),
        "parametrization": Chapter(PARAMETRIZATIONS, examine_parametrization),
        "sampler": Chapter(SAMPLERS, _examine_sampler),
        "guidance": Chapter(GUIDANCE, examine_guidance),
        "posterior": Chapter(POSTERIORS, examine_posterior),
        "token_sampler": Chapter(TOKEN_SAMPLERS, examine_token_sampler),
        "token_guidance": Chapter(TOKEN_GUIDANCE, examine_token_guidance),
        "tokens": Chapter(UNMASKERS, examine_unmasker),
    },
)
"""Kind of thing -> its chapter."""


def subjects(names: Sequence[str] = ()) -> list[tuple[str, str]]:
    """(chapter, name) of all that is examined, or of all that bears one of these names.

    Args:
        names: a name ("heun"), a chapter ("sampler"), or both ("sampler/edm"); none for all.

    Raises:
        UnknownNameError: for a name that no table holds.
    """
    everything = [(kind, name) for kind, chapter in CHAPTERS.items() for name in chapter.table]
    if not names:
        return everything
    for asked in names:
        if not any(_is_asked(asked, *subject) for subject in everything):
            known = [*CHAPTERS, *dict.fromkeys(name for _, name in everything)]
            raise UnknownNameError(describe_unknown("subject", asked, known))
    return [s for s in everything if any(_is_asked(asked, *s) for asked in names)]


def examine(names: Sequence[str] = ()) -> Iterator[Report]:
    """Examine all that bears one of these names, one report after the other; see `subjects`."""
    return (_report(kind, name) for kind, name in subjects(names))


def _report(kind: str, name: str) -> Report:
    """Examine one subject; what breaks while it runs is a finding, too."""
    chapter = CHAPTERS[kind]
    try:
        return chapter.examine(name, chapter.table[name])
    except Exception as error:
        problem = f"it raised {type(error).__name__}: {error}"
        return Report(f"{kind} {name}", [Finding(name, "examination", math.nan, problem=problem)])


def _is_asked(asked: str, kind: str, name: str) -> bool:
    return asked in (kind, name, f"{kind}/{name}")
