"""Is it real? Claims about a run, each tested against its null."""

import hashlib
import json
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from sparsight.claims._case import Case, StoppedError
from sparsight.claims._check import Check, Columns
from sparsight.core import Claim, Evidence, Source, Watcher
from sparsight.core.evidence import column, plain
from sparsight.errors import SparsightError
from sparsight.job import data_of
from sparsight.run import Run, finite, read_json, write
from sparsight.spec import build, describe, names

FEWEST = 50
"""Samples, trained on and measured, below which nothing is claimed."""
VERSION = 1
"""Of how claims are tested; another one tests them anew."""


def verify(
    run: Run, *, source: Source | None = None, claims: Collection[str] | None = None, observers: Sequence[Watcher] = ()
) -> Evidence:
    """Test what can be claimed of a run, and find which of its features are real.

    Retrainings and results are kept in the run's folder, below `verify`: a call that was killed or interrupted goes on
    when it is made again. The evidence is written to the run, with what earlier calls found.

    Args:
        run: it has ended.
        source: the data, where they were given in memory.
        claims: their names; None: all that are registered.
        observers: hear how long it will take and how far it is.

    Raises:
        SparsightError: the run has not ended, its data cannot be had again or are too few, or it was interrupted.
    """
    if run.summary is None:
        raise SparsightError(f"the run {str(run.path)!r} has not ended: `sparsight train --resume {run.path}` goes on")
    checks = {name: build("claim", name) for name in (names("claim") if claims is None else claims)}
    case = Case(run, *data_of(run, source), watchers=observers)
    if len(case.training) < FEWEST or len(case.measured) < FEWEST:
        raise SparsightError(
            f"{run.path.name!r} has {len(case.training):,} training samples and {len(case.measured):,} to measure on: "
            f"nothing can be claimed from fewer than {FEWEST}"
        )
    return _Verification(case, checks).made()


class _Verification:
    def __init__(self, case: Case, checks: dict[str, Check]) -> None:
        self.case, self.asked = case, checks
        self.left_out: dict[str, str] = {}
        self.start = time.perf_counter()

    def made(self) -> Evidence:
        """Test what is still to be tested, write all that is known."""
        waiting = []
        for name, check in self.asked.items():
            refused = check.refuses(self.case)
            if refused is not None:
                self.left_out[name] = refused
            elif self._known(check) is None:
                waiting.append(check)
        self._plan(waiting)
        # what needs no training comes first
        for check in sorted(waiting, key=lambda check: len(check.trainings(self.case))):
            self._test(check)
        self.case.say("done")
        return self._written()

    def _plan(self, waiting: list[Check]) -> None:
        groups = {name: n for check in waiting for name, n in check.trainings(self.case).items()}
        self.case.total = sum(max(0, self.case.waiting(name, n)) for name, n in groups.items())
        summary = self.case.run.summary
        assert summary is not None
        for watcher in self.case.watchers:
            watcher.on_plan(self.case.total, self.case.total * summary["seconds"])

    def _test(self, check: Check) -> None:
        name, start = describe(check)["name"], time.perf_counter()
        self.case.say(name)
        try:
            claim, columns = check(self.case)
        except StoppedError:
            raise
        except SparsightError as error:
            self.left_out[name] = str(error)
            return
        record = {
            "key": self._key(check),
            "claim": asdict(claim),
            "columns": {of: plain(values) for of, values in columns.items()},
            "seconds": time.perf_counter() - start,
        }
        write(self._place(name), (json.dumps(finite(record), indent=1) + "\n").encode())

    def _place(self, name: str) -> Any:
        return self.case.run.path / "verify" / f"{name}.json"

    def _key(self, check: Check) -> str:
        """What a result depends on, as a hash."""
        summary = self.case.run.summary
        assert summary is not None
        of = [VERSION, describe(check), summary["weights"], self.case.run.manifest["data"]["sha256"]]
        return hashlib.sha256(json.dumps(of).encode()).hexdigest()

    def _known(self, check: Check) -> tuple[Claim, Columns, float] | None:
        """What was found before of the same weights and data; None: it is to be tested."""
        place = self._place(describe(check)["name"])
        if not place.is_file():
            return None
        record = read_json(place)
        if record.get("key") != self._key(check):
            return None
        columns = {name: column(values) for name, values in record["columns"].items()}
        return Claim(**record["claim"]), columns, record["seconds"]

    def _written(self) -> Evidence:
        found = [self._known(build("claim", name)) for name in names("claim")]
        known = [result for result in found if result is not None]
        columns: dict[str, np.ndarray] = {}
        for _, more, _ in known:
            columns |= more
        run = self.case.run
        summary = run.summary
        assert summary is not None
        evidence = Evidence(
            claims=tuple(claim for claim, _, _ in known),
            columns=columns,
            left_out=self.left_out,
            rests_on={
                "samples": len(self.case.training),
                "measured": len(self.case.test),
                "held_out": self.case.held_out,
                "trainings": len(list(self.case.place.glob("*/**/summary.json"))),
                "data": run.manifest["data"]["sha256"],
                "weights": summary["weights"],
            },
            seconds=sum(seconds for _, _, seconds in known),
        )
        run.put_evidence(evidence)
        return evidence
