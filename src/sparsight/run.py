"""A run is a folder, and the folder is the contract.

    recipe.json      what was asked for, complete
    manifest.json    what it ran on: data, seeds, versions, machine
    log.jsonl        a line per logging step
    checkpoints/     step-N/{tensors.safetensors, state.json}: the last one
    .lock            held by the process that trains it
    model.safetensors, summary.json    written at the end
    atlas/           atlas.json, and a .npy file for every column of facts about features
    findings.json    what is wrong with it
    evidence.json    what was claimed of it, and which features are real
    verify/          the trainings and results that the evidence rests on
    comparison.json  it beside its nulls
    effects.json     what its features do in the model that they come from; effects.safetensors: which tokens they raise
    notes.json       what people wrote about features
    pictures/        what the faces add

Everything is written beside its place and moved there, so a process killed at any moment leaves a folder that opens.
"""

import base64
import json
import math
import os
import shutil
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from html import escape
from importlib import import_module
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from sparsight import checkpoints
from sparsight.core import SAE, Atlas, Evidence, Finding, Logged, Source
from sparsight.errors import SparsightError
from sparsight.spec import build

PATIENCE = 1.0
"""Seconds for which training waits for the lock of a run: who only asks whether it is held lets go at once."""
TRIES = 3
"""To read a checkpoint that may be replaced meanwhile."""
LONGEST_NOTE = 20_000
_NOTING = threading.Lock()


class Run:
    """One training, as a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, path: str | Path, recipe: Mapping[str, Any], manifest: Mapping[str, Any]) -> "Run":
        """Start a run. The folder appears complete or not at all.

        Raises:
            SparsightError: the name is taken, or the folder cannot be written.
        """
        path = Path(path)
        if path.exists():
            raise SparsightError(f"there is already a run at {str(path)!r}: choose another name or remove it")
        with _writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            with _beside(path) as new:
                new.mkdir()
                _write_json(new / "recipe.json", recipe)
                _write_json(new / "manifest.json", manifest)
                (new / "log.jsonl").touch()
        return cls(path)

    @classmethod
    def open(cls, path: str | Path) -> "Run":
        """Open a run.

        Raises:
            SparsightError: the folder is none.
        """
        path = Path(path)
        if not path.is_dir():
            raise SparsightError(f"there is no folder {str(path)!r}")
        missing = [name for name in ("recipe.json", "manifest.json") if not (path / name).is_file()]
        if missing:
            raise SparsightError(f"{str(path)!r} is no run: it has no {missing[0]}")
        return cls(path)

    @property
    def recipe(self) -> dict[str, Any]:
        """What was asked for, complete."""
        return read_json(self.path / "recipe.json")

    @property
    def manifest(self) -> dict[str, Any]:
        """What it ran on."""
        return read_json(self.path / "manifest.json")

    @property
    def summary(self) -> dict[str, Any] | None:
        """What came out; None: the run has not ended."""
        path = self.path / "summary.json"
        return read_json(path) if path.is_file() else None

    def log(self) -> list[Logged]:
        """Every log line; one that was cut off by a kill is left out."""
        path, lines = self.path / "log.jsonl", []
        for text in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
            try:
                lines.append(Logged(**json.loads(text)))
            except json.JSONDecodeError:
                break
        return lines

    def sae(self, *, mapped: bool = False) -> SAE:
        """The trained model; where it is `mapped`, with weights that stay in their file (see `SAE.load`).

        Raises:
            SparsightError: there is none yet, or its file is damaged.
        """
        path = self.path / "model.safetensors"
        if not path.is_file():
            name = self.path.name
            raise SparsightError(f"the run {name!r} has not ended: `sparsight train --resume {self.path}` goes on")
        return SAE.load(path, mapped=mapped)

    def source(self) -> Source:
        """The whole data set, as the recipe names it.

        Raises:
            SparsightError: it cannot be read, or was in memory.
        """
        spec = self.recipe["source"]
        if spec is None:
            raise SparsightError(f"the data of {self.path.name!r} were given in memory: give them again")
        return build("source", spec)

    def atlas(self) -> Atlas:
        """The facts about its features.

        Raises:
            SparsightError: there are none yet, or a file is damaged.
        """
        folder = self.path / "atlas"
        if not folder.is_dir():
            raise SparsightError(f"the run {self.path.name!r} has no atlas: `sparsight report {self.path}` makes it")
        return Atlas.open(folder)

    def put_atlas(self, atlas: Atlas) -> None:
        """Write the facts about its features, in place of those before."""
        place = self.path / "atlas"
        with _writing(place), _beside(place) as new:
            atlas.save(new)
            if place.exists():
                shutil.rmtree(place)

    @property
    def judged(self) -> bool:
        """Whether anybody has looked for faults."""
        return (self.path / "findings.json").is_file()

    def findings(self) -> list[Finding]:
        """What is wrong with it, the worst and the likeliest cause first.

        Raises:
            SparsightError: nobody has looked yet, or the file is damaged.
        """
        path = self.path / "findings.json"
        if not self.judged:
            raise SparsightError(f"nobody has looked for faults in {self.path}: `sparsight diagnose {self.path}`")
        try:
            return [Finding.from_record(record) for record in read_json(path)]
        except (KeyError, TypeError):
            raise SparsightError(f"{str(path)!r} is damaged: `sparsight diagnose {self.path}` makes it anew") from None

    def put_findings(self, findings: Sequence[Finding]) -> None:
        """Write what is wrong with it, in place of what was known before."""
        self._put_record("findings.json", [finding.record() for finding in findings])

    def evidence(self) -> Evidence:
        """What was claimed of it, beside nulls, and which features are real.

        Raises:
            SparsightError: nobody has verified it yet, or the file is damaged.
        """
        path = self.path / "evidence.json"
        if not path.is_file():
            raise SparsightError(f"nobody has verified {self.path}: `sparsight verify {self.path}` does")
        try:
            return Evidence.from_record(read_json(path))
        except (KeyError, TypeError, AttributeError):
            raise SparsightError(f"{str(path)!r} is damaged: `sparsight verify {self.path}` makes it anew") from None

    @property
    def verified(self) -> Evidence | None:
        """What was claimed of the weights that it has now; None: nothing."""
        if self.summary is None or not (self.path / "evidence.json").is_file():
            return None
        found = self.evidence()
        return found if found.rests_on.get("weights") == self.summary["weights"] else None

    def put_evidence(self, evidence: Evidence) -> None:
        """Write what was claimed of it, in place of what was known before."""
        self._put_record("evidence.json", evidence.record())

    def compared(self) -> dict[str, Any] | None:
        """It beside its nulls, as `comparison.compare` has it; None: nobody has compared it."""
        path = self.path / "comparison.json"
        return read_json(path) if path.is_file() else None

    def put_compared(self, compared: Mapping[str, Any]) -> None:
        """Write it beside its nulls, in place of what was known before."""
        self._put_record("comparison.json", compared)

    def effects(self) -> dict[str, Any] | None:
        """What a model does with the reconstructions of the weights that it has now; None: nobody has measured it."""
        path = self.path / "effects.json"
        found = read_json(path) if self.summary is not None and path.is_file() else None
        return found if found is not None and found.get("weights") == (self.summary or {})["weights"] else None

    def put_effects(self, effects: Mapping[str, Any]) -> None:
        """Write what a model does with its reconstructions, in place of what was known before."""
        self._put_record("effects.json", effects)

    def _put_record(self, name: str, record: Any) -> None:
        write(self.path / name, (json.dumps(finite(record), indent=1) + "\n").encode())

    def notes(self) -> dict[int, str]:
        """What people wrote about features, by feature.

        Raises:
            SparsightError: the file is damaged.
        """
        path = self.path / "notes.json"
        found = read_json(path) if path.is_file() else {}
        try:
            return {int(feature): str(text) for feature, text in found.items()}
        except (AttributeError, ValueError):
            raise SparsightError(f"{str(path)!r} is damaged: mend or remove it; nothing is written over it") from None

    def put_note(self, feature: int, text: str) -> None:
        """Write a note about a feature, in place of the one before; an empty one is removed. It is on disk afterwards.

        Raises:
            SparsightError: it is too long, the notes that are there cannot be read, or it cannot be written.
        """
        if len(text) > LONGEST_NOTE:
            raise SparsightError(f"a note of {len(text):,} letters is too long: at most {LONGEST_NOTE:,}")
        with _NOTING:
            notes = {**self.notes(), feature: text}
            kept = {str(n): notes[n] for n in sorted(notes) if notes[n].strip()}
            write(self.path / "notes.json", (json.dumps(kept, indent=1, ensure_ascii=False) + "\n").encode())

    def explore(self, height: int = 720) -> Any:
        """The explorer of this run: as the last line of a notebook's cell it is shown, `height` pixels high."""
        return import_module("sparsight.explore.notebook").shown(self, height)  # a face: nothing here rests on it

    def _repr_html_(self) -> str:
        """What a notebook shows: the figures, and the picture of its features where a face has made one."""
        summary = self.summary
        head = f"<b>{escape(self.path.name)}</b>: {self.recipe['n_latents']} features, {escape(self.recipe['name'])}"
        if summary is None:
            return f"<p>{head}, not ended</p>"
        quality = summary["quality"]
        said = (
            f"{quality['explained_variance']:.1%} of the variance explained with {quality['l0']:.1f} features per "
            f"sample, {summary['dead']} dead, on {summary['measured_on']}"
        )
        picture = self.path / "pictures" / "features.png"
        content = base64.b64encode(picture.read_bytes()).decode() if picture.is_file() else ""
        image = f'<img alt="features" src="data:image/png;base64,{content}">' if content else ""
        return f"<p>{head}; {said}</p>{image}"

    def append(self, line: Logged) -> None:
        """Add a line to the log."""
        with _writing(self.path), (self.path / "log.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(finite(asdict(line))) + "\n")

    def checkpoint(self, step: int, state: Mapping[str, Any]) -> None:
        """Write the state of training, and drop the state before."""
        folder = self.path / "checkpoints"
        place = folder / f"step-{step:09d}"
        with _writing(self.path):
            folder.mkdir(exist_ok=True)
            if place.exists():
                shutil.rmtree(place)
            with _beside(place) as new:
                new.mkdir()
                checkpoints.write(state, new)
                for file in new.iterdir():
                    _sync(file)
            for old in folder.iterdir():
                if old != place:
                    shutil.rmtree(old)

    def latest(self) -> dict[str, Any] | None:
        """The state in the last checkpoint; None: there is none.

        Raises:
            SparsightError: it is damaged.
        """
        found = self._last_checkpoint()
        if found is None:
            return None
        try:
            return checkpoints.read(found)
        except checkpoints.DAMAGED as error:
            raise SparsightError(f"the checkpoint {str(found)!r} is damaged ({error}): remove it") from None

    def snapshot(self) -> tuple[int, SAE] | None:
        """The step of the last checkpoint, and the model as it was then; None: there is none that can be read.

        It may be asked for while the run is trained: a checkpoint that is replaced while it is read is read again.
        """
        for _ in range(TRIES):
            found = self._last_checkpoint()
            if found is None:
                return None
            with suppress(*checkpoints.DAMAGED):
                return checkpoints.model(found)
        return None

    @property
    def checkpointed(self) -> int | None:
        """The step of the last checkpoint; None: there is none."""
        found = self._last_checkpoint()
        return None if found is None else int(found.name.removeprefix("step-"))

    def _last_checkpoint(self) -> Path | None:
        return max((self.path / "checkpoints").glob("step-*"), default=None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this is open, no other process can train the run. If this process is killed, others can.

        Raises:
            SparsightError: another process trains it.
        """
        lock = FileLock(self.path / ".lock")
        with _writing(self.path):
            try:
                lock.acquire(timeout=PATIENCE)
            except Timeout:
                raise SparsightError(
                    f"the run {str(self.path)!r} is being trained by another process: stop that one first, or wait"
                ) from None
        try:
            yield
        finally:
            lock.release()

    @property
    def busy(self) -> bool:
        """Whether a process trains it now. False, too, where the folder is another user's and nobody can know."""
        place = self.path / ".lock"
        if not place.is_file():
            return False
        try:
            with FileLock(place, timeout=0):
                return False
        except Timeout:
            return True
        except OSError:
            return False

    def rewind(self, step: int) -> None:
        """Cut the log back to a step."""
        lines = [json.dumps(finite(asdict(line))) for line in self.log() if line.step <= step]
        with _writing(self.path), _beside(self.path / "log.jsonl") as new:
            new.write_text("".join(line + "\n" for line in lines), encoding="utf-8")

    def put(self, name: str, content: bytes) -> None:
        """Write a file of a face, such as `pictures/decoder.png`."""
        write(self.path / name, content)

    def finish(self, sae: SAE, summary: Mapping[str, Any]) -> None:
        """Write the model and what came out."""
        with _writing(self.path):
            with _beside(self.path / "model.safetensors") as new:
                sae.save(new)
                _sync(new)
            with _beside(self.path / "summary.json") as new:
                _write_json(new, summary)


def write(place: Path, content: bytes) -> None:
    """Write a file that appears complete or not at all.

    Raises:
        SparsightError: it cannot be written there.
    """
    with _writing(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        with _beside(place) as new:
            new.write_bytes(content)


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    """A disk that is full or closed is the user's to mend: one sentence."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise SparsightError(f"cannot write to {str(path)!r}: {said}; what was complete before is kept") from None


@contextmanager
def _beside(place: Path) -> Iterator[Path]:
    """A path to write at; what is there in the end is moved to its place, and on an error removed."""
    new = place.with_name(f".{place.name}.{os.getpid()}")
    try:
        yield new
        _sync(new)
        new.replace(place)
        _sync(place.parent)
    except BaseException:
        if new.is_dir():
            shutil.rmtree(new, ignore_errors=True)
        else:
            new.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    if os.name == "nt":  # folders cannot be opened there
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(finite(value), indent=1) + "\n", encoding="utf-8")
    _sync(path)


def read_json(path: Path) -> Any:
    """What a JSON file holds.

    Raises:
        SparsightError: it is damaged.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise SparsightError(f"{str(path)!r} is damaged: it is no JSON") from None


def finite(value: Any) -> Any:
    """NaN and infinity are not in JSON; null stands for them in what people read."""
    if isinstance(value, Mapping):
        return {k: finite(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
