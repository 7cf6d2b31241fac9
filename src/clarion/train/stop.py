"""Stopping cleanly on Ctrl-C."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class StopRequest:
    """While entered, the first Ctrl-C (or SIGTERM) only sets `is_set`; the second one interrupts.

    Example:
        >>> with StopRequest() as stop:
        ...     stop.is_set
        False
    """

    def __init__(self) -> None:
        self.is_set = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._request)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # pyright: ignore[reportArgumentType]

    def _request(self, number: int, frame: FrameType | None) -> None:
        if self.is_set:
            raise KeyboardInterrupt
        self.is_set = True
