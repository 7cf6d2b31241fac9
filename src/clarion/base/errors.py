"""The errors a user may meet; each message names the argument, the value and the fix."""

from __future__ import annotations


class ClarionError(ValueError):
    """Any mistake in what the user gave: a name, a number, a file, a folder."""


class UnknownNameError(ClarionError):
    """A name that a table does not hold."""


class CheckpointError(ClarionError):
    """A file of a run that is missing, truncated, of another version, or of other contents."""


class DataError(ClarionError):
    """A data folder or file that cannot be used as it is."""


class SamplingError(ClarionError):
    """A sampling run whose result is not finite or not of the right shape."""
