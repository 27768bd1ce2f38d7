"""A run as one record: what was trained on what, how it ended, and what came out beside its nulls."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from sparsight import recipes
from sparsight.job import Recipe, completed
from sparsight.run import Run

UNCOMPARED = frozenset({"name", "summary", "about", "source"})
"""Keys of a recipe that are no changes: they say what it is called and what it was given."""


def described(run: Run) -> dict[str, Any]:
    """A run as a record that JSON can hold. A run that has not ended is described up to its last log line.

    - `ended`: `finished` or `early stop`; None: not yet. `training`: whether a process trains it now; one that has not
      ended and is not trained was interrupted or killed, and resumes.
    - `changes`: by dotted key, what the recipe of this name has (`recipe`) and what the run has (`here`); None where
      the recipe is not one of sparsight's.
    - `last`: the last log line, with each term's `share` of the gradient; None: nothing was logged. `last_written`:
      when that was, UTC.
    - `quality` and `shapes` as in `summary.json`, None and {} before the end. `null`: the quality of a model that
      always answers with the mean of the samples.
    - `recovery`: as `meters.recovery.recovered` has it, {} where nobody knows what the samples are made of.
    - `aim`: where the aim settled, with a sentence, `said`; None: there is none, or it has not ended.
    - `findings`: what is wrong, causes first; None: nobody has looked.
    - `pictures`: paths. `report`: the path of the page about it; None: there is none yet.

    Raises:
        SparsightError: a file of the run is damaged.
    """
    recipe, manifest, summary, log = run.recipe, run.manifest, run.summary, run.log()
    ended, findings = summary or {}, run.findings() if run.judged else None
    return {
        "run": str(run.path),
        "ended": ended.get("ended"),
        "training": not ended and run.busy,
        "seconds": ended.get("seconds", log[-1].seconds if log else 0.0),
        "steps": ended.get("steps", log[-1].step if log else 0),
        "data": {"source": recipe["source"], **manifest["data"]},
        "recipe": {key: recipe[key] for key in ("name", "summary")},
        "changes": changes(recipe),
        "seed": recipe["seed"],
        "n_latents": recipe["n_latents"],
        "architecture": recipe["architecture"],
        "parameters": manifest["parameters"],
        "device": manifest["device"],
        "sparsight": manifest["sparsight"],
        "notes": manifest["notes"],
        "last": vars(log[-1]) if log else None,
        "last_written": written(run) if log else None,
        "measured_on": ended.get("measured_on"),
        "dead": ended.get("dead", log[-1].dead if log else None),
        "quality": ended.get("quality"),
        "null": ended.get("null"),
        "recovery": ended.get("recovery", {}),
        "shapes": ended.get("shapes", {}),
        "aim": ended.get("aim"),
        "weights": ended.get("weights"),
        "findings": None if findings is None else [finding.record() for finding in findings],
        "report": _report(run),
        "pictures": sorted(str(path) for path in (run.path / "pictures").glob("*.png")),
    }


def _report(run: Run) -> str | None:
    """The page about it: a file, or where it is large the first of a folder."""
    found = [place for place in ("report.html", "report/index.html") if (run.path / place).is_file()]
    return str(run.path / found[0]) if found else None


def written(run: Run) -> str | None:
    """When the log was last added to, UTC; None: there is none."""
    log = run.path / "log.jsonl"
    return datetime.fromtimestamp(log.stat().st_mtime, UTC).isoformat(timespec="seconds") if log.is_file() else None


def changes(recipe: Mapping[str, Any]) -> dict[str, dict[str, Any]] | None:
    """Where a complete recipe differs from sparsight's own of the same name; None: there is none."""
    if recipe["name"] not in recipes.names():
        return None
    usual = completed(Recipe.parse(recipes.read(recipe["name"])))
    return {
        path: {"recipe": _plain(theirs), "here": ours}
        for path, theirs, ours in _differences(usual, recipe, ())
        if path not in UNCOMPARED
    }


def _differences(usual: Any, here: Any, keys: tuple[str, ...]) -> list[tuple[str, Any, Any]]:
    """(dotted key, usual value, value here); tables of different parts are compared as a whole."""
    tables = isinstance(usual, Mapping) and isinstance(here, Mapping)
    if tables and (not keys or usual.get("name") == here.get("name")):
        names = list(dict.fromkeys([*usual, *here]))
        return [found for name in names for found in _differences(usual.get(name), here.get(name), (*keys, name))]
    path = ".".join(f'"{key}"' if "." in key else key for key in keys)
    return [] if _plain(usual) == here else [(path, usual, here)]


def _plain(value: Any) -> Any:
    """As JSON gives it back."""
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
