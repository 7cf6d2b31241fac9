"""What to say where a package that measures speech is missing."""

from __future__ import annotations

from clarion.base.errors import ClarionError


def needs_speech(what: str, package: str) -> ClarionError:
    """The error for a metric whose package is in the extra `speech`."""
    return ClarionError(
        f"{what} needs the package {package}. Install it with: pip install 'clarion[speech]'"
    )
