"""A sweep is a folder of runs.

sweep.json       what was asked for: the recipe, the changes, how many trials of a search
trials.json      of a search: what was tried
failed.json      models whose loss was no number, and what was said
NAME/            the run of each model, such as k=8,seed=0
report.html      what the faces add
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sparsight.errors import SparsightError
from sparsight.job import Recipe
from sparsight.run import Run, read_json, write
from sparsight.sweeps.grid import Grid, Point


class Sweep:
    """Many trainings of one recipe, as a folder."""

    def __init__(self, path: Path, asked: Mapping[str, Any]) -> None:
        self.path, self.asked = path, asked
        self.grid = Grid(Recipe.parse(asked["recipe"]), asked["changes"], searched=self.search is not None)

    @classmethod
    def ask(cls, path: str | Path, recipe: Recipe, changes: Sequence[str], search: int | None = None) -> "Sweep":
        """The sweep that is or will be at a path; nothing is written.

        Raises:
            SparsightError: something else is there, such as a sweep over another grid, or the grid cannot be used.
        """
        path = Path(path)
        asked = _asked(recipe, changes, search)
        if (path / "sweep.json").is_file():
            there = read_json(path / "sweep.json")
            if there != asked:
                raise SparsightError(
                    f"the sweep at {str(path)!r} is another, {_words(there)}, and not {_words(asked)}: "
                    "give the same recipe and values to go on with it, or another folder"
                )
        elif path.exists() and not (path.is_dir() and all(inside.name.startswith(".") for inside in path.iterdir())):
            raise SparsightError(f"there is something else at {str(path)!r}: choose another folder")
        return cls(path, asked)

    @staticmethod
    def is_at(path: Path, recipe: Recipe, changes: Sequence[str], search: int | None) -> bool:
        """Whether this very sweep is at a path."""
        place = path / "sweep.json"
        return place.is_file() and read_json(place) == _asked(recipe, changes, search)

    @classmethod
    def open(cls, path: str | Path) -> "Sweep":
        """Open a sweep.

        Raises:
            SparsightError: the folder is none, or damaged.
        """
        path = Path(path)
        if not (path / "sweep.json").is_file():
            raise SparsightError(f"{str(path)!r} is no sweep: it has no sweep.json")
        return cls(path, read_json(path / "sweep.json"))

    @property
    def search(self) -> int | None:
        """Trials of a search; None: all points of a grid are trained."""
        return self.asked["search"]

    def points(self) -> list[Point]:
        """Its models; of a search, those that were tried so far."""
        return self.grid.points() if self.search is None else [self.grid.point(t["values"]) for t in self.trials()]

    def run(self, point: Point) -> Run | None:
        """The run of a model; None: it has not begun."""
        place = self.path / point.name
        return Run.open(place) if place.exists() else None

    def done(self, point: Point) -> bool:
        """Whether a model has ended, or failed."""
        run = self.run(point)
        return (run is not None and run.summary is not None) or point.name in self.failed()

    def runs(self) -> list[Run]:
        """The runs that have ended, in the order of the grid."""
        found = (self.run(point) for point in self.points())
        return [run for run in found if run is not None and run.summary is not None]

    def failed(self) -> dict[str, str]:
        """What was said of models whose loss was no number."""
        path = self.path / "failed.json"
        return read_json(path) if path.is_file() else {}

    def fail(self, name: str, said: str) -> None:
        """Remember why a model stopped."""
        self._write("failed.json", {**self.failed(), name: said})

    def trials(self) -> list[dict[str, Any]]:
        """What a search has tried: `values` as they are written, `parameters` as Optuna has them."""
        path = self.path / "trials.json"
        return read_json(path) if path.is_file() else []

    def tried(self, trials: Sequence[Mapping[str, Any]]) -> None:
        """Remember what a search tries next, before it is trained."""
        self._write("trials.json", [*self.trials(), *trials])

    def begin(self) -> None:
        """Write what was asked for."""
        self._write("sweep.json", self.asked)

    def _write(self, name: str, record: Any) -> None:
        write(self.path / name, (json.dumps(record, indent=1) + "\n").encode())


def _asked(recipe: Recipe, changes: Sequence[str], search: int | None) -> dict[str, Any]:
    """What is asked for, as JSON gives it back."""
    return json.loads(json.dumps({"recipe": recipe.model_dump(), "changes": list(changes), "search": search}))


def _words(asked: Mapping[str, Any]) -> str:
    searched = "" if asked["search"] is None else f" by a search of {asked['search']}"
    return f"{asked['recipe']['name']} with {' '.join(asked['changes'])}{searched}"
