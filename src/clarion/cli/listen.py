"""`clarion listen`: a listening test, from clips to a report.

clarion listen build STUDY.json --clips FOLDER    makes a page, one link a listener
clarion listen serve STUDY                        collects answers over HTTP
clarion listen analyse STUDY                      writes the report
clarion listen simulate STUDY                     answers of made-up listeners, marked as such
clarion listen power                              how many listeners and items it takes
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.cli.progress import CountProgress
from clarion.cli.training import wants_help
from clarion.listen.answers import ANSWERS
from clarion.listen.build import PAGE, build, links
from clarion.listen.serve import ListenServer
from clarion.listen.study import read_study


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
        with ListenServer(self.study, self.host, self.port) as server:
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


ACTIONS: NameTable[type[Build] | type[Serve]] = NameTable(
    "action", {"build": Build, "serve": Serve}
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
