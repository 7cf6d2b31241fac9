"""`clarion listen`: a listening test, from clips to a report.

clarion listen build STUDY.json --clips FOLDER    makes a page, one link a listener
clarion listen serve STUDY                        collects answers over HTTP
clarion listen analyse STUDY                      writes the report
clarion listen simulate STUDY                     answers of made-up listeners, marked as such
clarion listen power                              how many listeners and items it takes
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from itertools import product
from pathlib import Path
from typing import Annotated, Protocol

import tyro
from rich.console import Console
from rich.table import Table

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.base.options import check_whole
from clarion.cli.progress import CountProgress
from clarion.cli.training import wants_help
from clarion.listen.analysis import Analysis, analyse
from clarion.listen.answers import ANSWERS, SIMULATED, merged, read_files, read_folder
from clarion.listen.build import PAGE, build, links
from clarion.listen.design import EFFECT_WORDS
from clarion.listen.key import Key
from clarion.listen.power import power
from clarion.listen.records import write_record
from clarion.listen.report import SIMULATED_TITLE, claim_words, write_report
from clarion.listen.responses import tabulate
from clarion.listen.serve import ListenServer
from clarion.listen.simulation import ListenerModel, simulate
from clarion.listen.study import read_study
from clarion.run.files import write_folder


@dataclass(frozen=True)
class Build:
    """Make the folder of a study.

    Args:
        study: STUDY.json: title, design, systems, baseline, and what is not as usual.
        clips: folder with a folder of clips for each system, FOLDER/SYSTEM/ITEM.wav.
        out: folder to write; None for the name of the study's file, without its ending.
    """

    study: Annotated[Path, tyro.conf.Positional]
    clips: Path
    out: Path | None = None

    def run(self) -> int:
        """Build, and say how to go on."""
        study = read_study(self.study)
        out = self.study.with_suffix("") if self.out is None else self.out
        with CountProgress("items") as progress:
            key = build(study, self.clips, out, progress.count)
        count = len(key.sessions[0].trials)
        print(f"{out}: {len(key.items)} items, {len(key.sessions)} listeners of {count} trials.")
        print(f"Collect answers by: clarion listen serve {out}")
        print(f"Or put {out / PAGE} on any host, or on a stick; {out}/links.txt has the links.")
        print(f"{out}/key.json says what is what: keep it to yourself.")
        return 0


@dataclass(frozen=True)
class Serve:
    """Serve the page, and write answers to disk as they come.

    Args:
        study: folder that build wrote.
        host: address to listen at; 0.0.0.0 lets other machines in.
        port: number.
        url: how listeners reach it, if that is not the address itself.
    """

    study: Annotated[Path, tyro.conf.Positional]
    host: str = "127.0.0.1"
    port: int = 8000
    url: str | None = None

    def run(self) -> int:
        """Serve until it is interrupted."""
        with ListenServer(self.study, self.host, self.port, self.url) as server:
            url = (self.url or f"http://{self.host}:{server.server_port}").rstrip("/") + "/"
            for asked, link in zip(server.key.sessions, links(server.key, url), strict=True):
                done = sum(
                    n.startswith("trial") for n in server.answers.answers.get(asked.code, ())
                )
                print(f"{link}  {done} of {len(asked.trials)} trials")
            print(f"Answers go to {self.study / ANSWERS}. Stop with Ctrl-C.", flush=True)
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                print("Stopped; nothing is lost.")
        return 0


@dataclass(frozen=True)
class Analyse:
    """Write the report of a study: index.html, report.md and report.json.

    Args:
        study: folder that build wrote.
        answers: files that listeners saved from the page and sent; those that serve collected
            are read without being named.
        out: folder of the report; None for "report" in the study's own.
        simulated: analyse what simulate made up, and nothing else.
        include_unfinished: count who has answered some of the trials only.
        json: print JSON.
    """

    study: Annotated[Path, tyro.conf.Positional]
    answers: tuple[Path, ...] = ()
    out: Path | None = None
    simulated: bool = False
    include_unfinished: bool = False
    json: bool = False

    def run(self) -> int:
        """Read, analyse, write."""
        key = Key.read(self.study)
        collected = read_folder(self.study / (SIMULATED if self.simulated else ANSWERS), key)
        answers = merged(collected, read_files(self.answers, key))
        found = analyse(tabulate(key, answers), self.include_unfinished)
        name = "report_simulated" if found.is_simulated else "report"
        written = write_report(found, self.study / name if self.out is None else self.out)
        if self.json:
            print(json.dumps(found.to_json()))
        else:
            print(_summary(found))
            print(f"Report: {written[0]}")
        return 0


@dataclass(frozen=True)
class Simulate:
    """Answer a study by made-up listeners, to rehearse its analysis. They are marked as such.

    Args:
        study: folder that build wrote.
        gain: by how many percent every system is clearer than the baseline.
        seed: of what is drawn.
        listeners: how they spread.
    """

    study: Annotated[Path, tyro.conf.Positional]
    gain: float = 20.0
    seed: int = 0
    listeners: ListenerModel = field(default_factory=ListenerModel)

    def run(self) -> int:
        """Make the answers up, and write them beside, not among, those of people."""
        key = Key.read(self.study)
        answers = simulate(key, self.gain, self.seed, self.listeners)
        folder = self.study / SIMULATED

        def write(partial: Path) -> None:
            for code, records in answers.items():
                text = "".join(map(write_record, records.values()))
                (partial / f"{code}.jsonl").write_text(text)

        write_folder(folder, write)
        print(f"{folder}: {len(answers)} simulated listeners, which is nobody.")
        print(f"Rehearse by: clarion listen analyse {self.study} --simulated")
        return 0


@dataclass(frozen=True)
class Powers:
    """How often studies find what is there, by simulated listeners who rate from 0 to 100.

    Args:
        listeners: numbers of them.
        items: numbers of them.
        gain: true gains in percent.
        at_least: what is claimed, in percent.
        studies: how many are simulated for each row.
        seed: of what is drawn.
        model: how listeners spread.
        json: print JSON.
    """

    listeners: tuple[int, ...] = (10,)
    items: tuple[int, ...] = (20,)
    gain: tuple[float, ...] = (0.0, 20.0, 30.0)
    at_least: float = 20.0
    studies: int = 200
    seed: int = 0
    model: ListenerModel = field(default_factory=ListenerModel)
    json: bool = False

    def run(self) -> int:
        """Simulate, and print a row for each size and gain."""
        for name, low in (("listeners", 2), ("items", 2)):
            for number in getattr(self, name):
                check_whole(name, number, low, 1000)
        check_whole("studies", self.studies, 1)
        rows = list(product(self.listeners, self.items, self.gain))
        with CountProgress("studies") as progress:
            found = []
            for number, (listeners, items, gain) in enumerate(rows):
                found.append(
                    power(
                        listeners, items, gain, self.at_least, self.studies, self.seed, self.model
                    )
                )
                progress.count(number + 1, len(rows))
        if self.json:
            content = [
                {"listeners": n, "items": m, "gain": gain, **asdict(of)}
                for (n, m, gain), of in zip(rows, found, strict=True)
            ]
            print(json.dumps({"simulated": True, "model": asdict(self.model), "rows": content}))
            return 0
        claim = f"{self.at_least:g} %"
        table = Table(
            "listeners", "items", "true gain", "interval above 0", "mixed model above 0",
            f"{claim} estimated", f"{claim} proved", box=None, pad_edge=False,
            title=f"Simulated listeners; % of {self.studies} studies", title_justify="left",
        )  # fmt: skip
        for (n, m, gain), of in zip(rows, found, strict=True):
            shares = (of.above_0, of.by_model, of.estimated, of.proved)
            cells = [f"{100 * s.value:.0f}" for s in shares]
            table.add_row(str(n), str(m), f"{gain:g} %", *cells)
        Console().print(table)
        return 0


def _summary(found: Analysis) -> str:
    """The few lines that are read first."""
    lines = [SIMULATED_TITLE + "nobody has listened."] if found.is_simulated else []
    lines.append(f"{len(found.listeners)} listeners, {found.kept} after screening.")
    unit = EFFECT_WORDS[found.study.form.effect]
    for c in found.comparisons:
        of = c.effect
        lines.append(
            f"{c.scale}, {c.system} against {found.study.baseline}: {of.value:.3g} "
            f"[{of.low:.3g}, {of.high:.3g}] {unit}, p {c.p_holm:.2g} (Wilcoxon, Holm)"
        )
    if found.study.claim is not None:
        words = claim_words(found.study.claim, found.study)
        lines.append(f"Claimed: {words} {str(found.verdict).upper()}.")
    return "\n".join(lines)


class Action(Protocol):
    """What the first word asks for."""

    def run(self) -> int:
        """Do it; returns the exit status."""
        ...


ACTIONS: NameTable[type[Action]] = NameTable(
    "action",
    {"build": Build, "serve": Serve, "analyse": Analyse, "simulate": Simulate, "power": Powers},
)


def main(arguments: list[str]) -> int:
    """Do what the first word says; returns the exit status."""
    if wants_help(arguments[:1]):
        print(__doc__)
        raise SystemExit(0)
    if not arguments:
        raise ClarionError(f"Say what to do: clarion listen {'|'.join(ACTIONS)} ...")
    action = ACTIONS[arguments[0]]
    prog = f"clarion listen {arguments[0]}"
    return tyro.cli(action, args=arguments[1:], prog=prog).run()
