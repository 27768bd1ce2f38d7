"""Trainings that the explorer starts: child processes of the command line, which it may outlive or be outlived by."""

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sparsight import spec
from sparsight.errors import SparsightError
from sparsight.job import Recipe, completed, free_name
from sparsight.run import Run

AT_ONCE = 2
"""Trainings at once."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
"""What a run may be called: a plain name, and never a path."""
TAIL = 4_096
"""Bytes of what a process said that are read."""
GRACE = 10.0
"""Seconds for which processes are waited for when the explorer ends; they go on to their checkpoint without it."""


@dataclass
class Job:
    """One training."""

    number: int
    place: Path
    """The folder of its run; it is there once the data are read and the model is made."""
    process: subprocess.Popen[bytes]
    errors: Path
    stopped: bool = False
    """Whether it was asked to stop."""

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    @property
    def state(self) -> str:
        """`starting`, until its run is there; `running`; `ended`, by itself or as asked; or `failed`."""
        if self.running:
            return "running" if (self.place / "manifest.json").is_file() else "starting"
        return "ended" if self.process.returncode == 0 or self.stopped else "failed"

    @property
    def said(self) -> str | None:
        """Why it failed; None: it has not."""
        if self.state != "failed":
            return None
        with self.errors.open("rb") as file:
            file.seek(max(0, self.errors.stat().st_size - TAIL))
            lines = file.read().decode("utf-8", "replace").splitlines()
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return last.removeprefix("error: ") or f"training ended with the code {self.process.returncode}"

    def stop(self) -> None:
        """As Ctrl-C does: it ends after the step under way, with a checkpoint. A second time would tear that apart."""
        if self.running and not self.stopped:
            self.stopped = True
            if os.name == "nt":  # there is no SIGINT for one process alone
                self.process.terminate()
            else:
                self.process.send_signal(signal.SIGINT)


class Jobs:
    """The trainings of an explorer.

    Args:
        folder: new runs are put there.
        at_once: how many at most.
    """

    def __init__(self, folder: Path, at_once: int = AT_ONCE) -> None:
        self.folder, self.at_once = folder, at_once
        self.scratch = tempfile.TemporaryDirectory(prefix="sparsight-", ignore_cleanup_errors=True)
        self.lock = threading.Lock()
        self.jobs: list[Job] = []

    def start(self, recipe: Mapping[str, Any], name: str | None = None) -> Job:
        """Train a recipe into a new run.

        Raises:
            SparsightError: the recipe or the name cannot be used, or too many are being trained.
        """
        parsed = Recipe.parse(recipe)
        completed(parsed)
        if parsed.source is None:
            raise SparsightError("the recipe names no data: choose some, such as digits or the path of a file")
        name = name or parsed.name
        if NAME.fullmatch(name) is None:
            raise SparsightError(f"{name!r} is no name of a run: letters, digits, '-', '_' and '.', at most 80")
        with self.lock:
            place = free_name(self.folder, name, [job.place for job in self.jobs if job.running])
            file = Path(self.scratch.name) / f"{len(self.jobs)}.json"
            file.write_text(json.dumps(parsed.model_dump()), encoding="utf-8")
            return self._begin(place, "--recipe", str(file), "--out", str(place))

    def resume(self, run: Run) -> Job:
        """Go on with a run.

        Raises:
            SparsightError: it has ended or is being trained, its data were in memory, or too many are being trained.
        """
        before = self.of(run)
        if before is not None and before.stopped:
            with suppress(subprocess.TimeoutExpired):
                before.process.wait(GRACE)  # its checkpoint is written, and it is still on its way out
        if run.summary is not None:
            raise SparsightError(f"the run {run.path.name!r} has ended: there is nothing to resume")
        if run.busy:
            raise SparsightError(f"the run {run.path.name!r} is being trained already")
        if run.recipe["source"] is None:
            raise SparsightError(f"the data of {run.path.name!r} were given in memory: resume it in Python, with them")
        with self.lock:
            return self._begin(run.path, "--resume", str(run.path))

    def _begin(self, place: Path, *asked: str) -> Job:
        running = [job for job in self.jobs if job.running]
        if len(running) >= self.at_once:
            names = " and ".join(job.place.name for job in running)
            raise SparsightError(
                f"{names} are being trained, and no more than {self.at_once} at once: stop one, or wait"
            )
        if any(job.place == place for job in running):
            raise SparsightError(f"the run {place.name!r} is being trained already")
        number = len(self.jobs)
        errors = Path(self.scratch.name) / f"{number}.txt"
        plugins = [word for plugin in spec.plugins() for word in ("--plugin", str(plugin))]
        with errors.open("wb") as file:  # not a pipe, which would break when the explorer is killed
            process = subprocess.Popen(
                [sys.executable, "-m", "sparsight", "train", *asked, *plugins, "--quiet"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=file,
                start_new_session=True,  # Ctrl-C in the terminal comes here alone, and from here once to each
            )
        self.jobs.append(Job(number, place, process, errors))
        return self.jobs[-1]

    def job(self, number: int) -> Job:
        """A training by its number.

        Raises:
            SparsightError: there is none.
        """
        if not 0 <= number < len(self.jobs):
            raise SparsightError(f"no training has the number {number} here")
        return self.jobs[number]

    def of(self, run: Run) -> Job | None:
        """The last training of a run that was started here."""
        return next((job for job in reversed(self.jobs) if job.place.resolve() == run.path.resolve()), None)

    def stop(self, run: Run) -> Job:
        """Stop the training of a run; it resumes from there.

        Raises:
            SparsightError: nobody trains it, or another program does.
        """
        job = self.of(run)
        if job is None or not job.running:
            raise SparsightError(
                f"the run {run.path.name!r} is trained by another program: press Ctrl-C there"
                if run.busy
                else f"the run {run.path.name!r} is not being trained"
            )
        job.stop()
        return job

    def close(self) -> None:
        """Stop all of them, and wait for a short time."""
        for job in self.jobs:
            job.stop()
        end = time.monotonic() + GRACE
        while any(job.running for job in self.jobs) and time.monotonic() < end:
            time.sleep(0.05)
        self.scratch.cleanup()
