"""What higher floors hang into training."""

from typing import Protocol, runtime_checkable

from sparsight.core.records import Logged


@runtime_checkable
class Observer(Protocol):
    """What higher floors hang into training: progress bars, diagnosis, trackers, live pages."""

    def on_log(self, logged: Logged, /) -> None:
        """A line was written to the log."""

    def on_checkpoint(self, step: int, /) -> None:
        """A checkpoint was written."""

    def on_end(self, reason: str, /) -> None:
        """Training ended: `finished`, `early stop` or `interrupted`."""
