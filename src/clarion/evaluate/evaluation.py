"""What can be asked for as `clarion evaluate NAME`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from clarion.evaluate.metric import MetricCard
from clarion.run.examples import OnProgress


@dataclass(frozen=True)
class Evaluation(ABC):
    """What is measured, and of which files: a frozen dataclass whose fields become flags."""

    @abstractmethod
    def run(self, on_progress: OnProgress) -> MetricCard:
        """Read, measure, and write whatever else is asked for.

        Args:
            on_progress: called with (things done, things in all), anew for each part of the work.

        Raises:
            DataError: for a file that cannot be used as it is.
        """
