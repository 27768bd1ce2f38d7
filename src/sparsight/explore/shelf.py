"""The runs that are served, by key, and what is loaded of them."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from sparsight.core import SAE, Atlas, Evidence, Source
from sparsight.effects import raised_in
from sparsight.errors import SparsightError, did_you_mean
from sparsight.job import data_of
from sparsight.models.raised import Raised
from sparsight.run import Run
from sparsight.spec import build

KEPT = 4
"""Runs that are kept open at once."""
DEEP = ("", "*/", "*/*/")
"""Where runs are looked for in a folder: itself, its folders, and theirs, as sweeps have them."""


class UnknownRunError(SparsightError):
    """No run that is served has this key."""


class Opened:
    """A run with its model, atlas and samples, each loaded when it is first asked for; the weights stay in their file.

    Args:
        run: it has ended.
        data: the spec of its data, if they were given in memory.
    """

    def __init__(self, run: Run, data: dict[str, Any] | None = None) -> None:
        self.run, self.data = run, data
        self.lock = threading.RLock()

    @cached_property
    def sae(self) -> SAE:
        with self.lock:
            return self.run.sae(mapped=True)

    @cached_property
    def atlas(self) -> Atlas:
        with self.lock:
            return self.run.atlas()

    @property
    def atlas_if_any(self) -> Atlas | None:
        """Its atlas; None: nobody has made one, or it cannot be read."""
        try:
            return self.atlas
        except SparsightError:
            return None

    @cached_property
    def evidence(self) -> Evidence | None:
        """What was claimed of the weights that it has; None: nothing."""
        return self.run.verified

    @cached_property
    def raised(self) -> Raised | None:
        """Which tokens its features raise; None: nobody knows."""
        return raised_in(self.run)

    @cached_property
    def source(self) -> Source:
        """The samples that it is measured on.

        Raises:
            SparsightError: they cannot be had any more, and why.
        """
        with self.lock:
            return data_of(self.run, built(self.data))[1]


def built(data: dict[str, Any] | None) -> Source | None:
    """The data that were given; None: none were, and runs know theirs."""
    return None if data is None else build("source", data)


class Shelf:
    """Runs by key: the folder's name, with its parent's before it where two have the same.

    A key is looked up and never made into a path.

    Args:
        paths: of runs, or of folders that hold some.
        data: the spec of the data of runs that were given them in memory.
    """

    def __init__(self, paths: Sequence[Path], data: dict[str, Any] | None = None) -> None:
        self.paths, self.data = list(paths), data
        self.lock = threading.Lock()
        self._runs: dict[str, Run] = {}
        self._open: OrderedDict[str, tuple[tuple[int, ...], Opened]] = OrderedDict()

    @property
    def home(self) -> Path:
        """The folder that new runs are put into."""
        first = self.paths[0]
        return first.parent if (first / "recipe.json").is_file() else first

    def runs(self) -> dict[str, Run]:
        """All runs that there are now."""
        found: dict[str, Run] = {}
        for path in dict.fromkeys(place.resolve() for place in self._places()):
            key = path.name
            if key in found:
                key = f"{path.parent.name}.{path.name}"
            while key in found:
                key += "+"
            found[key] = Run(path)
        with self.lock:
            self._runs = found
        return found

    def _places(self) -> Iterator[Path]:
        for path in self.paths:
            for deep in DEEP:
                for recipe in sorted(path.glob(f"{deep}recipe.json")):
                    if (recipe.parent / "manifest.json").is_file():
                        yield recipe.parent

    def run(self, key: str) -> Run:
        """The run of a key.

        Raises:
            UnknownRunError: there is none.
        """
        found = self._runs.get(key)
        if found is None or not (found.path / "recipe.json").is_file():
            runs = self.runs()
            if key not in runs:
                raise UnknownRunError(f"there is no run {key!r} here; {did_you_mean(key, runs)}")
            found = runs[key]
        return found

    def opened(self, key: str) -> Opened:
        """A run with what is loaded of it; loaded anew where its files have changed."""
        run = self.run(key)
        stamp = _stamp(run)
        with self.lock:
            known = self._open.get(key)
            if known is None or known[0] != stamp or known[1].run.path != run.path:
                self._open[key] = known = (stamp, Opened(run, self.data))
            self._open.move_to_end(key)
            while len(self._open) > KEPT:
                self._open.popitem(last=False)
        return known[1]


def _stamp(run: Run) -> tuple[int, ...]:
    """What changes when the model, the atlas, the evidence or the effects do."""
    places = [run.path / name for name in ("model.safetensors", "atlas/atlas.json", "evidence.json", "effects.json")]
    return tuple(place.stat().st_mtime_ns if place.is_file() else 0 for place in places)
