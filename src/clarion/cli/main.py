"""`clarion COMMAND ...`: finds the command, imports only it, and turns errors into one line."""

from __future__ import annotations

import importlib
import os
import sys

from clarion.base.errors import ClarionError
from clarion.base.names import NameTable
from clarion.base.version import VERSION

COMMANDS: NameTable[str] = NameTable(
    "command",
    {
        "train": "train a model: a recipe, or your own pictures",
        "train-classifier": "train a classifier by which to steer a model",
        "sample": "draw samples from a trained model",
        "design": "draw new sequences with more, or less, of a measured number",
        "enhance": "take the noise out of recordings of speech",
        "vocode": "make speech of log-mel spectrograms",
        "inspect": "show what a run, a checkpoint or a data folder holds",
        "evaluate": "measure how good samples are",
        "bench": "compare with GAN, VAE and plain diffusion at equal compute",
        "verify": "hold samplers and guidance rules against known answers",
        "listen": "build, serve and analyse a listening test",
        "lab": "measure what the theory of diffusion models predicts",
    },
)
"""Command -> what it does; each lives in `clarion.cli.<command>`, with _ for -."""

USAGE_ERROR = 2


def main(arguments: list[str] | None = None) -> int:
    """Run one command; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0 if arguments else USAGE_ERROR
    if arguments[0] == "--version":
        print(VERSION)
        return 0
    try:
        COMMANDS[arguments[0]]
        command = importlib.import_module(f"clarion.cli.{arguments[0].replace('-', '_')}")
        return command.main(arguments[1:]) or 0
    except ClarionError as error:
        print(f"clarion: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # the reader of a pipe, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:  # a place that cannot be read or written to, a full disk
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"clarion: {what}.", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("clarion: interrupted.", file=sys.stderr)
        return 130


def _help() -> str:
    width = max(map(len, COMMANDS))
    rows = "\n".join(f"  {name:<{width}} {what}" for name, what in COMMANDS.items())
    return f"usage: clarion COMMAND ...\n\n{rows}\n\nclarion COMMAND --help shows its options."


if __name__ == "__main__":
    sys.exit(main())
