"""Batches that are read while the model is still busy with those before."""

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import suppress
from dataclasses import replace

from sparsight.core.records import Batch

_LOOK = 0.01
"""Seconds between two looks whether the thread has ended."""


def read_ahead(batches: Iterator[Batch], depth: int) -> Generator[Batch, None, None]:
    """The same batches in the same order, their inputs and targets read in a thread, up to `depth` of them ahead.

    An error of the thread is raised where its batch would have come. The thread ends when the iterator is closed, and
    is waited for.
    """
    ready: queue.Queue[Batch | BaseException | None] = queue.Queue(depth)
    closed = threading.Event()
    thread = threading.Thread(target=_read, args=(batches, ready, closed), name="sparsight: read ahead", daemon=True)
    thread.start()
    try:
        while (found := ready.get()) is not None:
            if isinstance(found, BaseException):
                raise found
            yield found
    finally:
        closed.set()
        while thread.is_alive():
            with suppress(queue.Empty):  # room for what it still wants to hand over
                ready.get(timeout=_LOOK)


def _read(
    batches: Iterator[Batch], ready: "queue.Queue[Batch | BaseException | None]", closed: threading.Event
) -> None:
    found: Batch | BaseException | None
    while not closed.is_set():
        try:
            found = next(batches, None)
            if found is not None:
                found = replace(found, kept={})
                _ = found.inputs, found.targets  # they are kept now
        except BaseException as error:
            found = error
        ready.put(found)
        if not isinstance(found, Batch):
            return
