"""Runs as the rows of a table, read from small files and small parts of large ones."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import numpy as np
from safetensors import SafetensorError, safe_open

from sparsight.core.sampling import spread
from sparsight.errors import SparsightError
from sparsight.run import Run, finite
from sparsight.views import charts
from sparsight.views.summary import written
from sparsight.views.sweeps import UNITS, best, far

CURVE = 40
"""Numbers of a small curve, at most."""
WHOLE = 2**17
"""Bytes of a log that is read whole, and of a line, at most."""
FILES = (
    "recipe.json",
    "manifest.json",
    "summary.json",
    "model.safetensors",
    "log.jsonl",
    "findings.json",
    "evidence.json",
)
"""What a row is made of."""
UNKNOWN = {"explained_variance": None, "l0": None}
"""A run that may not be best."""
DATA = "runs were trained on different data, and their numbers cannot be compared: compare those of the same data"
SPLIT = "runs of the same data held out different samples: small differences between their numbers are chance"
MEASURED = "some runs were measured on held-out samples and others on those that they were trained on"


def described(runs: Mapping[str, Path]) -> dict[str, Any]:
    """All runs by their keys as one record that JSON can hold: `rows`, and `notes` on what cannot be compared.

    Each row has

    - `key` and `name`; `damaged`: why it cannot be read, one sentence, and then little else; None: it can;
    - `recipe`, `architecture`, `n_latents`, `parameters`, `seed`, and the `source` of the data;
    - where samples are pictures, their `shape`, and a `side` that can be shown, `decoder` or `encoder`;
    - `ended`, `training` and `seconds` as in `views.summary.described`; `written`: when its log was last added to, UTC;
    - `explained_variance`, `null` (of the mean of the samples), `l0`, `dead`: on what `measured_on` says, or of the
      last batch that was logged;
    - `curve`: the explained variance of up to 40 batches of its log;
    - `findings`: how many are `red` and `amber`, None where nobody has looked; `claims`: how many were `made` of its
      weights and `hold`, None where nobody has verified it;
    - `group`: a number that runs share whose figures can be compared; `best`: it has ended, and none of its group
      explains as much with fewer features per sample, or more with as many.
    """
    rows = [{"key": key, "group": None, "best": False, **_read(path, _stamps(path))} for key, path in runs.items()]
    for row, path in zip(rows, runs.values(), strict=True):
        row["training"] = row.get("ended") is None and Run(path).busy
    groups = _grouped(rows)
    for number, group in enumerate(groups):
        ended = [
            row if row["ended"] and row["l0"] is not None else {**row, "explained_variance": None} for row in group
        ]
        for row, chosen in zip(group, best(ended), strict=True):
            row["group"], row["best"] = number, chosen
    return {"rows": rows, "notes": _notes([row for group in groups for row in group])}


def figures(record: Mapping[str, Any]) -> dict[str, str]:
    """Explained variance against L0 for each group of runs that can be compared, as SVG; points lead to their runs."""
    ended = [row for row in record["rows"] if row["damaged"] is None and row["ended"]]
    known = [row for row in ended if row["l0"] is not None and row["explained_variance"] is not None]
    groups = [[row for row in known if row["group"] == n] for n in sorted({row["group"] for row in known})]
    drawn: dict[str, str] = {}
    for group in groups:
        if len(group) < 2:
            continue
        l0, explained = (np.array([row[key] for row in group], np.float64) for key in ("l0", "explained_variance"))
        drawn[_titled(group[0], drawn if len(groups) > 1 else None)] = charts.chosen(
            l0,
            explained,
            [row["name"] for row in group],
            np.array([row["best"] for row in group]),
            x="L0",
            y="explained variance",
            log_x=far(l0),
            counts=False,
            links=[f"#/run/{quote(row['key'], safe='')}" for row in group],
        )
    return drawn


def _titled(row: Mapping[str, Any], others: Collection[str] | None) -> str:
    """What the chart of a group is called; None: it is alone."""
    title = "Explained variance against L0"
    if others is None:
        return title
    steps = [step["name"] for step in json.loads(row["preprocess"])]
    title = f"{title}: {row['source'] or 'data in memory'}, {' and '.join(steps) or 'raw'}"
    return title if title not in others else f"{title}, as {row['name']}"


def _grouped(rows: Sequence[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """The rows that can be read, those together that have the same data and the same units."""
    found: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        if row["damaged"] is None:
            found.setdefault((row["data"], row["preprocess"], row["measured_on"] or ""), []).append(row)
    return list(found.values())


def _notes(rows: Sequence[dict[str, Any]]) -> list[str]:
    notes = []
    if len({row["data"] for row in rows}) > 1:
        notes.append(DATA)
    if any(
        len({row["preprocess"] for row in rows if row["data"] == data}) > 1 for data in {row["data"] for row in rows}
    ):
        notes.append(UNITS)
    if any(len({row["samples"] for row in group}) > 1 for group in _grouped(rows)):
        notes.append(SPLIT)
    if len({row["measured_on"] for row in rows if row["measured_on"]}) > 1:
        notes.append(MEASURED)
    return notes


def _stamps(path: Path) -> tuple[tuple[int, int] | None, ...]:
    """When the files of a run were written, and their sizes: while they stay the same, so does its row."""
    found = []
    for name in FILES:
        try:
            stat = (path / name).stat()
            found.append((stat.st_mtime_ns, stat.st_size))
        except OSError:
            found.append(None)
    return tuple(found)


@lru_cache(maxsize=4096)
def _read(path: Path, stamps: tuple[tuple[int, int] | None, ...]) -> dict[str, Any]:
    try:
        return {"name": path.name, "damaged": None, **finite(_known(Run.open(path)))}
    except SparsightError as error:
        said = str(error)
    except OSError as error:
        said = f"{str(path)!r} cannot be read: {error.strerror or error}"
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        said = f"{str(path)!r} is damaged: a file of it is not what sparsight writes ({type(error).__name__}: {error})"
    return {"name": path.name, "damaged": said}


def _known(run: Run) -> dict[str, Any]:
    recipe, manifest, summary, log = run.recipe, run.manifest, run.summary, picked(run.path / "log.jsonl", CURVE)
    last = log[-1] if log else {}
    ended = last if summary is None else summary
    quality = last if summary is None else summary["quality"]
    return {
        "recipe": str(recipe["name"]),
        "architecture": str(recipe["architecture"]["name"]),
        "n_latents": _number(recipe["n_latents"]),
        "seed": recipe["seed"],
        "parameters": _number(manifest["parameters"]),
        **_pictured(run),
        "data": str(manifest["data"]["sha256"]) if recipe["source"] is None else json.dumps(recipe["source"]),
        "samples": str(manifest["data"]["sha256"]),
        "source": (recipe["source"] or {}).get("name"),
        "preprocess": json.dumps(recipe["preprocess"]),
        "ended": None if summary is None else str(summary["ended"]),
        "seconds": _number(ended.get("seconds")),
        "written": written(run),
        "measured_on": None if summary is None else str(summary["measured_on"]),
        "explained_variance": _number(quality.get("explained_variance")),
        "null": None if summary is None else _number(summary["null"]["explained_variance"]),
        "l0": _number(quality.get("l0")),
        "dead": _number(ended.get("dead")),
        "curve": [_number(line["explained_variance"]) for line in log],
        "findings": _counted(run),
        "claims": _claimed(run),
    }


def _number(value: Any) -> float | None:
    """What a file has in the place of a number, if it is one."""
    if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
        return value
    raise TypeError(f"{value!r:.40} is no number")


def _pictured(run: Run) -> dict[str, Any]:
    """The geometry of a sample, and of which filters have it, from the head of the model's file."""
    try:
        with safe_open(run.path / "model.safetensors", framework="pt") as file:
            schema = json.loads((file.metadata() or {})["sparsight"])["schema"]
    except (OSError, SafetensorError, KeyError, ValueError):
        return {"shape": None, "side": None}
    return {"shape": schema.get("shape"), "side": "decoder" if schema.get("n_targets") is None else "encoder"}


def _counted(run: Run) -> dict[str, int] | None:
    if not run.judged:
        return None
    found = run.findings()
    return {severity: sum(each.severity == severity for each in found) for severity in ("red", "amber")}


def _claimed(run: Run) -> dict[str, int] | None:
    known = run.verified
    return None if known is None else {"made": len(known.claims), "hold": sum(claim.holds for claim in known.claims)}


def picked(path: Path, n: int) -> list[dict[str, Any]]:
    """Up to `n` lines of a log, evenly spread, and its last whole one; of a long log the rest is not read."""
    if not path.is_file():
        return []
    with path.open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        place = file.seek(max(0, size - WHOLE))
        tail = file.read()
        whole = tail[: tail.rfind(b"\n") + 1]  # what comes after is still being written
        if place == 0:
            lines = whole.splitlines()
            found = [lines[int(at)] for at in spread(len(lines), n)]
        else:
            start = whole.rfind(b"\n", 0, max(0, len(whole) - 1)) + 1
            found = [*_lines(file, size, n - 1, place + start), whole[start:]]
    return [line for line in map(_parsed, found) if line is not None]


def _lines(file: BinaryIO, size: int, n: int, end: int) -> list[bytes]:
    """A line from each of `n` parts of a file, those that begin before `end`."""
    found: dict[int, bytes] = {}
    for part in range(n):
        file.seek(part * size // n)
        if part:
            file.readline(WHOLE)  # what is left of the line before
        found[file.tell()] = file.readline(WHOLE)
    return [found[at] for at in sorted(found) if at < end]


def _parsed(line: bytes) -> dict[str, Any] | None:
    """A line of a log; None: it is cut off."""
    try:
        made = json.loads(line)
    except ValueError:
        return None
    return made if isinstance(made, dict) and "explained_variance" in made else None
