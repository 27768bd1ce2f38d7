"""A run as it is while it is trained: what is new in its log, what was found so far, and how its filters look."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import Tensor

from sparsight.core import SAE, Finding, Logged
from sparsight.core.sampling import spread
from sparsight.diagnosis import Watch, ranked
from sparsight.errors import SparsightError
from sparsight.run import Run

TILES, NUMBERS = 400, 2**22
"""Features whose filters are shown, and weights of those, at most."""
POINTS = 2_000
"""Lines of a log that are shown at once, at most."""
ENDS = ("finished", "early stop")
Event = tuple[str, Any]


def state(run: Run) -> str:
    """`training`; `finished` or `early stop`; or `interrupted`: it was stopped or killed, and resumes."""
    summary = run.summary
    if summary is not None:
        return summary["ended"]
    return "training" if run.busy else "interrupted"


def so_far(run: Run, points: int = POINTS) -> dict[str, Any]:
    """All of `Live.news` about a run as one record; of a long log as many lines, evenly spread from first to last."""
    told = dict(Live(run).news())
    lines = told.get("log", [])
    kept = [lines[at] for at in spread(len(lines), points)] if lines else []
    return {**told, "log": kept, "snapshot": told.get("snapshot")}


def model(run: Run) -> tuple[int, SAE] | None:
    """The step and the model of the last checkpoint, or of the end; None: there is none yet."""
    summary = run.summary
    return run.snapshot() if summary is None else (summary["steps"], run.sae())


def shown(sae: SAE) -> Tensor:
    """Which features are shown: always the same, evenly spread, up to 400."""
    return spread(sae.n_latents, max(1, min(TILES, NUMBERS // sae.n_inputs)))


def filters(sae: SAE, of: str) -> Tensor:
    """The `encoder` filters or the `decoder` rows of the features that are shown, [n, D], in raw units.

    Raises:
        SparsightError: the model has none of that kind that look like its inputs.
    """
    weights = sae.filters_of_inputs(shown(sae))
    if of not in weights:
        raise SparsightError(f"there are no filters of {of!r} here; there is: {', '.join(sorted(weights))}")
    return weights[of]


class Tail:
    """A log that is read while it is written: only what is new."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file, self.at = 0, 0

    def read(self) -> tuple[bool, list[Logged]]:
        """The whole lines that are new, and whether the log was cut back, so that these are all it has."""
        if not self.path.is_file():
            return False, []
        with self.path.open("rb") as file:
            status = self.path.stat()
            cut = self.at > 0 and (status.st_ino != self.file or status.st_size < self.at)
            self.file, self.at = status.st_ino, 0 if cut else self.at
            file.seek(self.at)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]
        self.at += len(whole)
        return cut, [Logged(**json.loads(line)) for line in whole.splitlines()]


class Live:
    """What somebody who watches a run has not been told yet.

    Args:
        run: it may be trained by another process, and is only read.
        after: the last step that is known.

    Raises:
        SparsightError: the run has parts that are registered nowhere, or is damaged.
    """

    def __init__(self, run: Run, after: int = -1) -> None:
        self.run, self.after = run, after
        self.tail = Tail(run.path / "log.jsonl")
        self.recipe = run.recipe
        self.watch = self._watch()
        self.told: dict[str, Any] = {}

    def news(self) -> Iterator[Event]:
        """What is new, as (name, value).

        - `log`: records of lines. What is known of their steps and later ones is no longer true: a run that was killed
          and goes on writes some steps again.
        - `findings`: the causes first, each with `page`, where the docs explain it; `so_far`: judged by the log alone.
        - `snapshot`: `step`, `ended`, and the `features` that are shown, with the `shape` of a sample and the kinds
          of filters, `of`.
        - `state`: see `state`.
        """
        now = state(self.run)  # read first: what it ended with is there by then
        cut, lines = self.tail.read()
        if cut:
            self.watch, self.after = self._watch(), -1
        for line in lines:
            self.watch.on_log(line)
        fresh = [vars(line) for line in lines if line.step > self.after]
        self.after = -1
        if fresh:
            yield "log", fresh
        yield from self._new("findings", self._findings())
        yield from self._snapshot(now)
        yield from self._new("state", now)

    @property
    def over(self) -> bool:
        """Whether the run has ended, and nothing more will be found."""
        return self.told.get("state") in ENDS and not self.told["findings"]["so_far"]

    def _watch(self) -> Watch:
        return Watch(self.recipe, lambda finding: None)

    def _findings(self) -> dict[str, Any]:
        judged = self.run.judged
        found: list[Finding] = self.run.findings() if judged else ranked(self.watch.said.values())
        return {"so_far": not judged, "findings": [{**each.record(), "page": each.page} for each in found]}

    def _snapshot(self, now: str) -> Iterator[Event]:
        ended = now in ENDS
        step = self.run.checkpointed
        known = self.told.get("snapshot")
        if step is None or (known is not None and (known["step"], known["ended"]) == (step, ended)):
            return
        found = model(self.run)
        if found is not None:
            sae = found[1]
            about = {
                "step": step,
                "ended": ended,
                "features": shown(sae).tolist(),
                "shape": sae.schema.shape,
                "of": list(sae.filters_of_inputs()),
            }
            yield from self._new("snapshot", about)

    def _new(self, name: str, value: Any) -> Iterator[Event]:
        if self.told.get(name) != value:
            self.told[name] = value
            yield name, value
